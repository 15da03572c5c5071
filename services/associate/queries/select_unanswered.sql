-- Return the requests of a stream that ask for some sources, and which of these are without an answer.
--
-- $1  stream_id  int
-- $2  source_id  bigint[]
-- Indexes: the primary keys of waiting_request and image.
select
    waiting_request.timestep_id,
    image.image_id,
    array(
        select asked.source_ids
        from unnest(waiting_request.source_ids) as asked (source_ids)
        where asked.source_ids = any($2::bigint[])
    ) as source_ids
from waiting_request
inner join image on waiting_request.image_key = image.image_key
where
    waiting_request.stream_id = $1::int
    and waiting_request.source_ids && $2
