-- Delete rejected images that were sent again and are accepted now.
--
-- $1  stream_id  int
-- $2  image_id   text[]  sha256
-- Index: the unique one on (stream_id, image_id). Nothing refers to a rejected image.
delete from image
where
    image.stream_id = $1::int
    and image.image_id = any($2::text[])
    and image.verdict = 'rejected'
