-- Return the sources that were seen in the last timestep, or are missed since longer.
--
-- $1  stream_id  int
-- $2  tolerance  interval  of the start times of a timestep's images
-- Indexes: primary keys of detection (of this stream's partition), missed_source and source.
with seen as (
    select distinct detection.source_id
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
),

candidate as (
    select
        seen.source_id,
        0 as n_timesteps
    from seen
    union all
    select
        missed_source.source_id,
        missed_source.n_timesteps
    from missed_source
    where missed_source.stream_id = $1::int
)

select
    source.id,
    source.ra,
    source.dec,
    max(candidate.n_timesteps) as n_timesteps
from candidate
inner join source on candidate.source_id = source.id
group by source.id
order by source.id
