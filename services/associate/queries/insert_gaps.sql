-- Store the reasons why forced measurements could not be made.
--
-- $1  stream_id  int
-- $2  image_id   text[]    sha256
-- $3  source_id  bigint[]
-- $4  reason     text[]
-- Index: image (stream_id, image_id).
insert into forced_gap (stream_id, image_key, source_id, reason)
select
    image.stream_id,
    image.image_key,
    row_in.source_id,
    row_in.reason
from unnest($2::text[], $3::bigint[], $4::text[]) as row_in (image_id, source_id, reason)
inner join image
    on
        image.stream_id = $1::int
        and row_in.image_id = image.image_id
on conflict (stream_id, image_key, source_id) do nothing
