-- Return the known sources that a timestep does not detect: those that the one before it detected,
-- and those that were not detected for longer.
--
-- $1  stream_id    int
-- $2  tolerance    interval  of the start times of a timestep's images
-- $3  detected_id  bigint[]  sources that the timestep detects
-- Indexes: primary keys of detection (of this stream's partition), null_detection and source.
with candidate as (
    select
        detection.source_id,
        0 as n_timesteps
    from stream
    inner join detection
        on
            stream.id = detection.stream_id
            and detection.time_start between stream.closed_until
            - $2::interval and stream.closed_until
            + $2::interval
    where
        stream.id = $1::int
        and detection.stream_id = $1::int
        and detection.extraction_type = 'blind'
        and detection.source_id <> all($3::bigint[])
    union all
    select
        null_detection.source_id,
        null_detection.n_timesteps
    from null_detection
    where
        null_detection.stream_id = $1::int
        and null_detection.source_id <> all($3::bigint[])
)

select
    source.id,
    source.ra,
    source.dec,
    max(candidate.n_timesteps) + 1 as n_timesteps
from candidate
inner join source on candidate.source_id = source.id
group by source.id
order by source.id
