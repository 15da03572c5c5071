-- Return what later timesteps have changed of some sources: for each source the first state from before
-- that, in the order of the timesteps.
--
-- $1  stream_id    int
-- $2  timestep_id  bigint
-- $3  source_id    bigint[]
-- Index: the primary key. Each source reads no further than the first timestep that changed it.
select
    waiting_timestep.before_sources,
    waiting_timestep.before_statistics
from waiting_timestep
where
    waiting_timestep.stream_id = $1::int
    and waiting_timestep.timestep_id in (
        select first_change.timestep_id
        from unnest($3::bigint[]) as wanted (source_id)
        cross join
            lateral (
                select later.timestep_id
                from waiting_timestep as later
                where
                    later.stream_id = $1
                    and later.timestep_id > $2::bigint
                    and wanted.source_id = any(later.before_ids)
                order by later.timestep_id
                limit 1
            ) as first_change
    )
order by waiting_timestep.timestep_id
