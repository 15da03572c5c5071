-- Return the timesteps of a stream at a time, in the order of their keys.
--
-- $1  stream_id  int
-- $2  from_time  timestamptz  start of the first exposure, inclusive
-- $3  to_time    timestamptz  the same
-- Index: timestep (stream_id, time_start).
select timestep.id
from timestep
where
    timestep.stream_id = $1::int
    and timestep.time_start between $2::timestamptz and $3::timestamptz
order by timestep.id
