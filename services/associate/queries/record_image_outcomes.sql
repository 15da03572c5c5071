-- Record the outcomes of images and their sums; a replay records nothing.
--
-- $1  stream            text
-- $2  kafka_cluster_id  text[]
-- $3  kafka_topic       text[]
-- $4  kafka_partition   int[]
-- $5  kafka_offset      bigint[]
-- $6  image_id          text[]
-- $7  outcome           text[]
-- $8  reasons           text[]    codes, comma-separated
-- Index: the primary key.
with recorded as (
    insert into image_ledger (
        kafka_cluster_id, kafka_topic, kafka_partition, kafka_offset, stream, image_id, outcome, reasons
    )
    select
        entry.kafka_cluster_id, entry.kafka_topic, entry.kafka_partition, entry.kafka_offset, $1::text,
        entry.image_id, entry.outcome, string_to_array(entry.reasons, ',') as reasons
    from
        unnest($2::text[], $3::text[], $4::int[], $5::bigint[], $6::text[], $7::text[], $8::text[])
            as entry (
                kafka_cluster_id, kafka_topic, kafka_partition, kafka_offset, image_id, outcome, reasons
            )
    on conflict (kafka_cluster_id, kafka_topic, kafka_partition, kafka_offset) do nothing
    returning image_ledger.outcome, coalesce(image_ledger.reasons[1], '') as reason
)

insert into ledger_total (stream, outcome, reason, n_images)
select
    $1::text as stream,
    recorded.outcome,
    recorded.reason,
    count(*) as n_images
from recorded
group by recorded.outcome, recorded.reason
on conflict (stream, outcome, reason) do update
    set n_images = ledger_total.n_images + excluded.n_images
