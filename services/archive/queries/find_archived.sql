-- Return whether the archive has or had an image.
--
-- $1  image_id  text  sha256
-- Index: the primary key.
select count(*) > 0 as is_known
from archived_image
where archived_image.image_id = $1::text and archived_image.name is not null
