-- Return those of some sources that late images have begun, splits left out, and these images.
--
-- $1  source_id  bigint[]
-- Indexes: the primary keys.
select
    source.id,
    image.image_key,
    image.image_id
from source
inner join image on source.first_image_key = image.image_key
where
    source.id = any($1::bigint[])
    and source.parent_source_id is null
    and image.is_late
order by source.id
