-- Store the sources that wait for what earlier images show at their places.
--
-- $1  stream_id        int
-- $2  source_id        bigint[]
-- $3  image_key        bigint[]
-- $4  image_keys       text[]         one array of keys each, as text
-- $5  is_new_by_limit  boolean[]
-- $6  event            text[]         JSON
-- $7  time_limit       timestamptz[]
-- Index: the primary key.
insert into look_back (
    source_id, stream_id, image_key, image_keys, is_new_by_limit, event, time_limit
)
select
    row_in.source_id,
    $1::int,
    row_in.image_key,
    row_in.image_keys::bigint[],
    row_in.is_new_by_limit,
    row_in.event::jsonb,
    row_in.time_limit
from
    unnest(
        $2::bigint[], $3::bigint[], $4::text[], $5::boolean[], $6::text[], $7::timestamptz[]
    ) as row_in (source_id, image_key, image_keys, is_new_by_limit, event, time_limit)
on conflict (source_id) do nothing
