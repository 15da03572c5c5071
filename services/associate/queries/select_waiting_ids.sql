-- Return how many timesteps wait, and which of some sources have looks there that are not judged yet.
--
-- $1  stream_id  int
-- $2  source_id  bigint[]
-- Index: the primary key.
select
    count(distinct waiting_timestep.timestep_id) as n_timesteps,
    array_agg(distinct waiting.source_ids) filter (where waiting.source_ids = any($2::bigint[])) as source_ids
from waiting_timestep
left join lateral unnest(waiting_timestep.source_ids) as waiting (source_ids) on true
where waiting_timestep.stream_id = $1::int
