-- Store forced measurements and return those that are new; those that are stored stay as they are.
-- Their numbers in the image follow from the first detections of their sources, whatever else was
-- measured there; two sources with one number get the next one. Others may send requests too: a
-- position farther from the source than a beam is left out, unless the source moves.
--
-- $1   stream_id              int
-- $2   image_id               text[]    sha256
-- $3   look_back_number       int[]     null: of no look back
-- $4   source_id              bigint[]
-- $5   extraction_type        text[]
-- $6   ra                     float8[]  [deg]
-- $7   dec                    float8[]  [deg]
-- $8   flux_peak_jy_beam      float8[]  [Jy/beam]
-- $9   flux_peak_err_jy_beam  float8[]  [Jy/beam]
-- $10  rms_local_jy_beam      float8[]  [Jy/beam]
-- $11  first_number           int       the least number of a forced measurement
-- $12  n_numbers              int       how many numbers there are
-- Index: image (stream_id, image_id); the primary keys of image, source and detection.
with measured as (
    select
        image.stream_id,
        image.image_key,
        image.time_start,
        image.band_id,
        image.stokes,
        image.beam_major_deg * 3600 as major_arcsec,
        image.beam_minor_deg * 3600 as minor_arcsec,
        image.beam_pa_deg as pa_deg,
        row_in.*,
        $11::int as first_number,
        -- The sources of monitors have no first detection, but a place of their own.
        ('x' || left(encode(sha256(convert_to(concat_ws(
            '|',
            first_image.image_id,
            source.first_source_number,
            case when source.zone = 32767 then source.search_ra end,
            case when source.zone = 32767 then source.search_dec end
        ), 'UTF8')), 'hex'), 8))::bit(32)::bigint % $12::int as own_number
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
        ) with ordinality as row_in (
            image_id,
            look_back_number,
            source_id,
            extraction_type,
            ra,
            dec,
            flux_peak_jy_beam,
            flux_peak_err_jy_beam,
            rms_local_jy_beam,
            place
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
    left join image as first_image on source.first_image_key = first_image.image_key
)

insert into detection (
    stream_id, image_key, source_number, time_start, source_id, band_id, stokes, extraction_type,
    ra, dec, ra_err_deg, dec_err_deg, flux_peak_jy_beam, flux_peak_err_jy_beam, flux_int_jy,
    flux_int_err_jy, snr, rms_local_jy_beam, major_arcsec, minor_arcsec, pa_deg, quality_flags
)
select
    measured.stream_id,
    measured.image_key,
    coalesce(
        measured.look_back_number,
        measured.first_number + measured.own_number + row_number() over (
            partition by measured.image_key, measured.own_number, measured.look_back_number is null
            order by measured.place
        ) - 1
    ) as source_number,
    measured.time_start,
    measured.source_id,
    measured.band_id,
    measured.stokes,
    measured.extraction_type,
    measured.ra,
    measured.dec,
    0 as ra_err_deg,
    0 as dec_err_deg,
    measured.flux_peak_jy_beam,
    measured.flux_peak_err_jy_beam,
    measured.flux_peak_jy_beam as flux_int_jy,
    measured.flux_peak_err_jy_beam as flux_int_err_jy,
    measured.flux_peak_jy_beam / measured.rms_local_jy_beam as snr,
    measured.rms_local_jy_beam,
    measured.major_arcsec,
    measured.minor_arcsec,
    measured.pa_deg,
    0 as quality_flags
from measured
on conflict (stream_id, time_start, image_key, source_number) do nothing
returning
    detection.source_id,
    detection.extraction_type = 'lookback' as is_look_back
