-- Return those of some images that are stored, with their offsets on Kafka and their verdicts.
--
-- $1  stream_id  int
-- $2  image_id   text[]  sha256
-- Index: the unique one on (stream_id, image_id).
select
    image.image_id,
    image.verdict,
    image.kafka_cluster_id,
    image.kafka_topic,
    image.kafka_partition,
    image.kafka_offset
from image
where image.stream_id = $1::int and image.image_id = any($2::text[])
