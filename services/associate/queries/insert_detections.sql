-- Store the blind detections of one image.
--
-- $1   stream_id              int
-- $2   image_key              bigint
-- $3   time_start             timestamptz
-- $4   band_id                int
-- $5   stokes                 text
-- $6   source_id              bigint[]
-- $7   source_number          int[]
-- $8   de_ruiter_radius       float8[]     [-]; NaN: it created its source
-- $9   ra                     float8[]     [deg]
-- $10  dec                    float8[]     [deg]
-- $11  ra_err_deg             float8[]     [deg]
-- $12  dec_err_deg            float8[]     [deg]
-- $13  flux_peak_jy_beam      float8[]     [Jy/beam]
-- $14  flux_peak_err_jy_beam  float8[]     [Jy/beam]
-- $15  flux_int_jy            float8[]     [Jy]
-- $16  flux_int_err_jy        float8[]     [Jy]
-- $17  snr                    float8[]     [-]
-- $18  rms_local_jy_beam      float8[]     [Jy/beam]
-- $19  major_arcsec           float8[]     [arcsec]
-- $20  minor_arcsec           float8[]     [arcsec]
-- $21  pa_deg                 float8[]     [deg]
-- $22  quality_flags          bigint[]
-- $23  p_false                float8[]     [-]
-- Cheaper than a copy: what an image has once is sent once, and elements are read by their places.
insert into detection (
    stream_id, image_key, time_start, band_id, stokes, extraction_type, source_id, source_number,
    de_ruiter_radius, ra, dec, ra_err_deg, dec_err_deg, flux_peak_jy_beam, flux_peak_err_jy_beam,
    flux_int_jy, flux_int_err_jy, snr, rms_local_jy_beam, major_arcsec, minor_arcsec, pa_deg,
    quality_flags, p_false
)
select
    $1::int as stream_id,
    $2::bigint as image_key,
    $3::timestamptz as time_start,
    $4::int as band_id,
    $5::text as stokes,
    'blind' as extraction_type,
    row_in.source_id,
    ($7::int[])[row_in.place] as source_number,
    nullif(($8::float8[])[row_in.place], 'NaN'::float8) as de_ruiter_radius,
    ($9::float8[])[row_in.place] as ra,
    ($10::float8[])[row_in.place] as dec,
    ($11::float8[])[row_in.place] as ra_err_deg,
    ($12::float8[])[row_in.place] as dec_err_deg,
    ($13::float8[])[row_in.place] as flux_peak_jy_beam,
    ($14::float8[])[row_in.place] as flux_peak_err_jy_beam,
    ($15::float8[])[row_in.place] as flux_int_jy,
    ($16::float8[])[row_in.place] as flux_int_err_jy,
    ($17::float8[])[row_in.place] as snr,
    ($18::float8[])[row_in.place] as rms_local_jy_beam,
    ($19::float8[])[row_in.place] as major_arcsec,
    ($20::float8[])[row_in.place] as minor_arcsec,
    ($21::float8[])[row_in.place] as pa_deg,
    ($22::bigint[])[row_in.place] as quality_flags,
    ($23::float8[])[row_in.place] as p_false
from unnest($6::bigint[]) with ordinality as row_in (source_id, place)
