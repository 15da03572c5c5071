-- Return up to where each stream is closed, and the starts of its last ten timesteps, newest first.
--
-- Index: timestep (stream_id, time_start).
select
    stream.name,
    stream.closed_until,
    array(
        select timestep.time_start
        from timestep
        where
            timestep.stream_id = stream.id
            and not timestep.is_late
            and timestep.time_start <= stream.closed_until
        order by timestep.time_start desc
        limit 10
    ) as recent
from stream
where stream.closed_until is not null
order by stream.name
