-- Count those of some sources that wait for answers which may remove them from the catalogue.
--
-- $1  stream_id  int
-- $2  source_id  bigint[]
-- Index: the primary key of waiting_timestep.
select count(distinct doubtful.source_id) as n_sources
from waiting_timestep
cross join
    unnest(waiting_timestep.doubtful_ids || waiting_timestep.doubtful_active_ids) as doubtful (source_id)
where
    waiting_timestep.stream_id = $1::int
    and doubtful.source_id = any($2::bigint[])
    and doubtful.source_id = any(waiting_timestep.source_ids)
