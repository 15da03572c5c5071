-- Store the requests of a timestep, which have no answer yet.
--
-- $1  stream_id    int
-- $2  timestep_id  bigint
-- $3  image_key    bigint[]
-- $4  source_ids   text[]    one array of ids each, as text
-- Index: the primary key.
insert into waiting_request (stream_id, image_key, timestep_id, source_ids)
select
    $1::int,
    row_in.image_key,
    $2::bigint,
    row_in.source_ids::bigint[]
from unnest($3::bigint[], $4::text[]) as row_in (image_key, source_ids)
on conflict (stream_id, image_key) do nothing
