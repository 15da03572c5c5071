-- Return the offsets from which the associator goes on.
--
-- $1  cluster_id  text
-- $2  topic       text
-- Index: the primary key.
select
    consumed_offset.partition,
    consumed_offset.next_offset
from consumed_offset
where
    consumed_offset.cluster_id = $1::text
    and consumed_offset.topic = $2::text
