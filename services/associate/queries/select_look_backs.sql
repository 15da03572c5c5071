-- Return looks back without a verdict, with the answers so far.
--
-- $1  stream_id     int
-- $2  source_id     bigint[]
-- $3  first_number  int       of measurements in images from before the detection [-]
-- Indexes: the primary keys of look_back, image, detection and forced_gap.
select
    look_back.source_id,
    detected.band_id,
    look_back.image_key,
    look_back.event::text as event,
    look_back.is_new_by_limit,
    exists(
        select
        from transient
        where transient.source_id = look_back.source_id
    ) as has_episode,
    answer.n_missing,
    answer.flux_jy_beam,
    answer.err_jy_beam,
    answer.times
from look_back
inner join image as detected on look_back.image_key = detected.image_key
cross join
    lateral (
        select
            count(*) filter (where measured.source_number is null and forced_gap.reason is null) as n_missing,
            coalesce(
                array_agg(measured.flux_peak_jy_beam order by image.time_start, image.image_key)
                filter (where measured.source_number is not null),
                '{}'
            ) as flux_jy_beam,
            coalesce(
                array_agg(measured.flux_peak_err_jy_beam order by image.time_start, image.image_key)
                filter (where measured.source_number is not null),
                '{}'
            ) as err_jy_beam,
            coalesce(
                array_agg(image.time_start order by image.time_start, image.image_key)
                filter (where measured.source_number is not null),
                '{}'
            ) as times
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
        where image.image_key = any(look_back.image_keys)
    ) as answer
where
    look_back.stream_id = $1
    and look_back.verdict is null
    and look_back.source_id = any($2::bigint[])
order by look_back.source_id
