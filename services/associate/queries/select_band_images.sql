-- Return the accepted images of other bands around a time, with what was measured at a source.
--
-- $1  stream_id  int
-- $2  source_id  bigint
-- $3  band_id    int          left out
-- $4  stokes     text
-- $5  from_time  timestamptz  start of the exposure, inclusive
-- $6  to_time    timestamptz  the same
-- Indexes: image (time_start, image_key); detection (source_id, time_start); the primary key of
-- forced_gap.
select
    image.band_id,
    image.freq_eff_hz,
    image.stokes,
    image.time_start,
    image.exposure_s,
    forced.flux_peak_jy_beam,
    forced.flux_peak_err_jy_beam,
    image.detection_threshold_sigma * image.rms_jy_beam as limit_jy_beam,
    image.rms_jy_beam,
    image.wcs_header,
    image.width_px,
    image.height_px,
    coalesce(image.margin_px, 0) as margin_px,
    exists(
        select
        from forced_gap
        where
            forced_gap.stream_id = $1::int
            and forced_gap.image_key = image.image_key
            and forced_gap.source_id = $2::bigint
    ) as is_gap
from image
left join
    lateral (
        select
            detection.flux_peak_jy_beam,
            detection.flux_peak_err_jy_beam
        from detection
        where
            detection.stream_id = $1::int
            and detection.source_id = $2::bigint
            and detection.time_start = image.time_start
            and detection.image_key = image.image_key
            and detection.extraction_type <> 'blind'
        order by detection.source_number
        limit 1
    ) as forced
    on true
where
    image.stream_id = $1::int
    and image.time_start between $5::timestamptz and $6::timestamptz
    and image.band_id <> $3::int
    and image.stokes = $4::text
    and image.verdict = 'accepted'
order by image.time_start
