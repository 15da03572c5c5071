-- Store one timestep and return its id; the partitions of its detections are made where they are missing.
--
-- $1  stream_id        int
-- $2  time_start       timestamptz
-- $3  is_late          boolean
-- $4  n_images         int            [-]
-- $5  time_associated  timestamptz
-- $6  month            timestamptz[]  moments of the detections to come
insert into timestep (stream_id, time_start, is_late, n_images, time_associated)
select
    $1::int as stream_id,
    $2::timestamptz as time_start,
    $3::boolean as is_late,
    $4::int as n_images,
    $5::timestamptz as time_associated
from (
    select count(ensure_detection_partition($1::int, wanted.month)) as n_months
    from unnest($6::timestamptz[]) as wanted (month)
) as made
where made.n_months >= 0
returning timestep.id
