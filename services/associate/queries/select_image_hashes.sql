-- Return the hashes of images.
--
-- $1  id  bigint[]
-- Index: the primary key.
select
    image.id,
    image.image_id
from image
where image.id = any($1::bigint[])
