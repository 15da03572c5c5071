-- Return new keys of images and new ids of sources, each in ascending order.
--
-- $1  n_images   int  [-]
-- $2  n_sources  int  [-]
with sequence as materialized (
    select
        pg_get_serial_sequence('image', 'image_key')::regclass as of_images,
        pg_get_serial_sequence('source', 'id')::regclass as of_sources
)

select
    true as is_image,
    nextval(sequence.of_images) as number
from sequence, generate_series(1, $1::int)
union all
select
    false as is_image,
    nextval(sequence.of_sources) as number
from sequence, generate_series(1, $2::int)
