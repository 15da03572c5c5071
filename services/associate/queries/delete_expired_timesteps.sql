-- Delete timesteps that are older than the retention.
--
-- $1  retention  interval
-- Index: timestep (stream_id, time_start).
delete from timestep
using stream
where
    timestep.stream_id = stream.id
    and timestep.time_start < stream.closed_until - $1::interval
