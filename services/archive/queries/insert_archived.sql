-- Note the file of an image; what is noted already stays, unless it was that there is none.
--
-- $1  image_id    text         sha256
-- $2  stream      text
-- $3  time_start  timestamptz
-- $4  name        text
-- $5  n_bytes     bigint       [byte]
insert into archived_image (image_id, stream, time_start, name, n_bytes, time_archived)
values ($1::text, $2::text, $3::timestamptz, $4::text, $5::bigint, now())
on conflict (image_id) do update
    set
        name = excluded.name,
        n_bytes = excluded.n_bytes,
        time_archived = excluded.time_archived,
        time_gone = null,
        gone_reason = null
    where archived_image.name is null
