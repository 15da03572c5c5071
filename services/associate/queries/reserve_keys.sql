-- Return new keys of images and new ids of sources, each in ascending order.
--
-- $1  n_images   int  [-]
-- $2  n_sources  int  [-]
select
    true as is_image,
    nextval(pg_get_serial_sequence('image', 'image_key')) as number
from generate_series(1, $1::int)
union all
select
    false as is_image,
    nextval(pg_get_serial_sequence('source', 'id')) as number
from generate_series(1, $2::int)
