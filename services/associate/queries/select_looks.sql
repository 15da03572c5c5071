-- Return what some images have measured at some sources: blind detections, those that two sources share
-- for each of them, and forced fluxes.
--
-- $1  stream_id  int
-- $2  image_key  bigint[]
-- $3  from_time  timestamptz  start of the first exposure
-- $4  to_time    timestamptz  start of the last one
-- $5  source_id  bigint[]
-- Indexes: detection (source_id, time_start); the primary keys of shared_detection and detection.
select
    detection.source_id,
    false as is_shared,
    detection.image_key,
    detection.source_number,
    detection.extraction_type,
    detection.ra,
    detection.dec,
    detection.ra_err_deg,
    detection.dec_err_deg,
    detection.flux_peak_jy_beam,
    detection.flux_peak_err_jy_beam,
    detection.flux_int_jy,
    detection.flux_int_err_jy,
    detection.snr,
    detection.rms_local_jy_beam,
    detection.major_arcsec,
    detection.minor_arcsec,
    detection.pa_deg,
    detection.quality_flags,
    detection.p_false
from detection
where
    detection.stream_id = $1::int
    and detection.source_id = any($5::bigint[])
    and detection.time_start between $3::timestamptz and $4::timestamptz
    and detection.image_key = any($2::bigint[])
    and detection.extraction_type <> 'lookback'
union all
select
    shared_detection.source_id,
    true as is_shared,
    detection.image_key,
    detection.source_number,
    detection.extraction_type,
    detection.ra,
    detection.dec,
    detection.ra_err_deg,
    detection.dec_err_deg,
    detection.flux_peak_jy_beam,
    detection.flux_peak_err_jy_beam,
    detection.flux_int_jy,
    detection.flux_int_err_jy,
    detection.snr,
    detection.rms_local_jy_beam,
    detection.major_arcsec,
    detection.minor_arcsec,
    detection.pa_deg,
    detection.quality_flags,
    detection.p_false
from shared_detection
inner join detection
    on
        detection.stream_id = $1
        and shared_detection.time_start = detection.time_start
        and shared_detection.image_key = detection.image_key
        and shared_detection.source_number = detection.source_number
where
    shared_detection.source_id = any($5)
    and shared_detection.time_start between $3 and $4
    and shared_detection.image_key = any($2)
