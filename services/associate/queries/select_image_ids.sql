-- Return the sha256 of images.
--
-- $1  image_key  bigint[]
-- Index: the primary key.
select
    image.image_key,
    image.image_id
from image
where image.image_key = any($1::bigint[])
