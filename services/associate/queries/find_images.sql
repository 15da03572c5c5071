-- Return those of some images that are stored, and the other accepted images around a time: one of the
-- same field, band and Stokes parameter is made again.
--
-- $1  stream_id  int
-- $2  image_id   text[]       sha256
-- $3  from_time  timestamptz  start of the exposure, inclusive
-- $4  to_time    timestamptz  the same
-- Indexes: the unique one on (stream_id, image_id); (time_start, image_key).
select
    true as is_known,
    image.image_id,
    image.verdict,
    image.kafka_cluster_id,
    image.kafka_topic,
    image.kafka_partition,
    image.kafka_offset,
    image.band_id,
    image.stokes,
    image.time_start,
    image.field_ra,
    image.field_dec,
    image.field_radius_deg
from image
where image.stream_id = $1::int and image.image_id = any($2::text[])
union all
select
    false as is_known,
    image.image_id,
    image.verdict,
    image.kafka_cluster_id,
    image.kafka_topic,
    image.kafka_partition,
    image.kafka_offset,
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
    and image.verdict = 'accepted'
