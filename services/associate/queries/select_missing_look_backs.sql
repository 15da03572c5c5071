-- Return the images in which sources without a verdict are still to be measured.
--
-- $1  stream_id     int
-- $2  source_id     bigint[]
-- $3  first_number  int       of measurements in images from before the detection [-]
-- Indexes: the primary keys of look_back, image, detection and forced_gap.
select
    look_back.source_id,
    missing.image_id
from look_back
cross join
    lateral (
        select coalesce(array_agg(image.image_id), '{}') as image_id
        from image
        left join detection as measured
            on
                measured.stream_id = $1::int
                and image.time_start = measured.time_start
                and image.image_key = measured.image_key
                and measured.source_number = $3::int + (look_back.source_id % $3)::int
        left join forced_gap
            on
                forced_gap.stream_id = $1
                and image.image_key = forced_gap.image_key
                and look_back.source_id = forced_gap.source_id
        where
            image.image_key = any(look_back.image_keys)
            and measured.source_number is null
            and forced_gap.reason is null
    ) as missing
where
    look_back.stream_id = $1
    and look_back.verdict is null
    and look_back.source_id = any($2::bigint[])
