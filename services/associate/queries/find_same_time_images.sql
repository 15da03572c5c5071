-- Return accepted images of channels around a time: another one of the same field is made again.
--
-- $1  stream_id  int
-- $2  band_id    int[]
-- $3  from_time  timestamptz  start of the exposure, inclusive
-- $4  to_time    timestamptz  the same
-- Index: (time_start, image_key).
select
    image.image_id,
    image.band_id,
    image.stokes,
    image.time_start,
    image.field_ra,
    image.field_dec,
    image.field_radius_deg
from image
where
    image.stream_id = $1::int
    and image.time_start between $3::timestamptz and $4::timestamptz
    and image.band_id = any($2::int[])
    and image.verdict = 'accepted'
