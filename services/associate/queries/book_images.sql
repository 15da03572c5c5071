-- Book what became of images; a replay books nothing.
--
-- $1  stream      text
-- $2  cluster_id  text[]
-- $3  topic       text[]
-- $4  partition   int[]
-- $5  place       bigint[]  offset
-- $6  image_id    text[]
-- $7  outcome     text[]
-- $8  reasons     text[]    codes, comma-separated
-- Index: the primary key.
insert into image_ledger (
    source_cluster_id, source_topic, source_partition, source_offset, stream, image_id, outcome, reasons
)
select
    entry.cluster_id, entry.topic, entry.partition, entry.place, $1::text, entry.image_id, entry.outcome,
    string_to_array(entry.reasons, ',') as reasons
from
    unnest($2::text[], $3::text[], $4::int[], $5::bigint[], $6::text[], $7::text[], $8::text[])
        as entry (cluster_id, topic, partition, place, image_id, outcome, reasons)
on conflict (source_cluster_id, source_topic, source_partition, source_offset) do nothing
