-- Return what later timesteps have changed of some sources: the states from before that, in the order
-- of the timesteps.
--
-- $1  stream_id    int
-- $2  timestep_id  bigint
-- $3  source_id    bigint[]
-- Index: the primary key.
select
    waiting_timestep.before_sources,
    waiting_timestep.before_statistics
from waiting_timestep
where
    waiting_timestep.stream_id = $1::int
    and waiting_timestep.timestep_id > $2::bigint
    and waiting_timestep.before_ids && $3::bigint[]
order by waiting_timestep.timestep_id
