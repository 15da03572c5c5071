-- Count the images in ranges of offsets that have an entry in the ledger.
--
-- $1  kafka_cluster_id  text
-- $2  kafka_topic       text
-- $3  kafka_partition   int[]
-- $4  first_offset      bigint[]  of each partition
-- $5  next_offset       bigint[]  behind the last of each partition
-- Index: the primary key, alone where vacuum has been.
select count(*) as n_images
from
    unnest($3::int[], $4::bigint[], $5::bigint[])
        as part (kafka_partition, first_offset, next_offset)
inner join image_ledger
    on
        image_ledger.kafka_cluster_id = $1::text
        and image_ledger.kafka_topic = $2::text
        and part.kafka_partition = image_ledger.kafka_partition
        and part.first_offset <= image_ledger.kafka_offset
        and part.next_offset > image_ledger.kafka_offset
