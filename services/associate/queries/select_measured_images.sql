-- Return accepted images, as their records of detections-v1 described them.
--
-- $1  stream_id  int
-- $2  image_key  bigint[]
-- $3  image_id   text[]    sha256
-- Indexes: the primary key; image (stream_id, image_id).
select
    image.image_key,
    image.image_id,
    image.band_id,
    image.time_start,
    image.exposure_s,
    image.freq_eff_hz,
    image.freq_bw_hz,
    image.stokes,
    image.beam_major_deg,
    image.beam_minor_deg,
    image.beam_pa_deg,
    image.field_ra,
    image.field_dec,
    image.field_radius_deg,
    image.width_px,
    image.height_px,
    image.wcs_header,
    image.telescope,
    image.margin_px,
    image.detection_threshold_sigma,
    image.time_sent,
    image.time_appended,
    image.time_extracted
from image
where
    image.stream_id = $1::int
    and (image.image_key = any($2::bigint[]) or image.image_id = any($3::text[]))
    and image.verdict = 'accepted'
order by image.freq_eff_hz, image.time_start, image.image_key
