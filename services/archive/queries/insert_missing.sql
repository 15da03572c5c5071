-- Note that an image was not archived; what is noted already stays.
--
-- $1  image_id     text         sha256
-- $2  stream       text
-- $3  time_start   timestamptz
-- $4  gone_reason  text
insert into archived_image (image_id, stream, time_start, time_archived, time_gone, gone_reason)
values ($1::text, $2::text, $3::timestamptz, now(), now(), $4::text)
on conflict (image_id) do nothing
