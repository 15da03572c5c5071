-- Store the reasons why forced measurements of one image could not be made.
--
-- $1  stream     text
-- $2  image_id   text      sha256
-- $3  source_id  bigint[]
-- $4  reason     text[]
-- Index: image (stream_id, image_id).
insert into forced_gap (stream_id, image_key, source_id, reason)
select
    image.stream_id,
    image.image_key,
    row_in.source_id,
    row_in.reason
from unnest($3::bigint[], $4::text[]) as row_in (source_id, reason)
inner join stream on stream.name = $1::text
inner join image
    on
        stream.id = image.stream_id
        and image.image_id = $2::text
on conflict (stream_id, image_key, source_id) do nothing
