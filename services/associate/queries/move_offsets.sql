-- Move the consumed offsets, each only from where this process left it.
--
-- Returns how many moved; fewer than given: another associator has moved them.
--
-- $1  cluster_id   text
-- $2  topic        text
-- $3  partition    int[]
-- $4  expected     bigint[]  -1 where there should be none yet
-- $5  next_offset  bigint[]
-- Index: the primary key.
with wanted as (
    select move.partition, move.expected, move.next_offset
    from unnest($3::int[], $4::bigint[], $5::bigint[]) as move (partition, expected, next_offset)
),

moved as (
    update consumed_offset as stored
    set next_offset = wanted.next_offset
    from wanted
    where
        stored.cluster_id = $1::text
        and stored.topic = $2::text
        and stored.partition = wanted.partition
        and stored.next_offset = wanted.expected
    returning stored.partition
),

created as (
    insert into consumed_offset (cluster_id, topic, partition, next_offset)
    select $1::text, $2::text, wanted.partition, wanted.next_offset
    from wanted
    where wanted.expected = -1
    on conflict do nothing
    returning consumed_offset.partition
)

select (select count(*) from moved) + (select count(*) from created) as n_moved
