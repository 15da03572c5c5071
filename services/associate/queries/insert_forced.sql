-- Store forced measurements and return the numbers of those that are new; those that are stored stay as
-- they are. Others may send requests too, with numbers of their own: a position
-- farther from the source than a beam is left out, unless the source moves.
--
-- $1   stream_id              int
-- $2   image_id               text[]    sha256
-- $3   source_number          int[]
-- $4   source_id              bigint[]
-- $5   extraction_type        text[]
-- $6   ra                     float8[]  [deg]
-- $7   dec                    float8[]  [deg]
-- $8   flux_peak_jy_beam      float8[]  [Jy/beam]
-- $9   flux_peak_err_jy_beam  float8[]  [Jy/beam]
-- $10  rms_local_jy_beam      float8[]  [Jy/beam]
-- Index: image (stream_id, image_id); the primary keys of source and detection.
insert into detection (
    stream_id, image_key, source_number, time_start, source_id, band_id, stokes, extraction_type,
    ra, dec, ra_err_deg, dec_err_deg, flux_peak_jy_beam, flux_peak_err_jy_beam, flux_int_jy,
    flux_int_err_jy, snr, rms_local_jy_beam, major_arcsec, minor_arcsec, pa_deg, quality_flags
)
select
    image.stream_id,
    image.image_key,
    row_in.source_number,
    image.time_start,
    row_in.source_id,
    image.band_id,
    image.stokes,
    row_in.extraction_type,
    row_in.ra,
    row_in.dec,
    0 as ra_err_deg,
    0 as dec_err_deg,
    row_in.flux_peak_jy_beam,
    row_in.flux_peak_err_jy_beam,
    row_in.flux_peak_jy_beam as flux_int_jy,
    row_in.flux_peak_err_jy_beam as flux_int_err_jy,
    row_in.flux_peak_jy_beam / row_in.rms_local_jy_beam as snr,
    row_in.rms_local_jy_beam,
    image.beam_major_deg * 3600 as major_arcsec,
    image.beam_minor_deg * 3600 as minor_arcsec,
    image.beam_pa_deg as pa_deg,
    0 as quality_flags
from
    unnest(
        $2::text[],
        $3::int[],
        $4::bigint[],
        $5::text[],
        $6::float8[],
        $7::float8[],
        $8::float8[],
        $9::float8[],
        $10::float8[]
    ) as row_in (
        image_id,
        source_number,
        source_id,
        extraction_type,
        ra,
        dec,
        flux_peak_jy_beam,
        flux_peak_err_jy_beam,
        rms_local_jy_beam
    )
inner join image
    on
        image.stream_id = $1::int
        and row_in.image_id = image.image_id
        and image.verdict = 'accepted'
inner join source
    on
        row_in.source_id = source.id
        and source.stream_id = $1
        and (
            source.activity = 3
            or sind((source.dec - row_in.dec) / 2) ^ 2
            + cosd(source.dec) * cosd(row_in.dec) * sind((source.ra - row_in.ra) / 2) ^ 2
            <= sind(image.beam_major_deg / 2) ^ 2
        )
on conflict (stream_id, time_start, image_key, source_number) do nothing
returning detection.source_number
