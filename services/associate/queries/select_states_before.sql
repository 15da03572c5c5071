-- Return what later timesteps have changed of sources that timesteps look at: for each the first state
-- from before that, in the order of the later timesteps.
--
-- $1  stream_id    int
-- $2  timestep_id  bigint[]  that looks at the source of the same place in the array
-- $3  source_id    bigint[]
-- Index: the primary key. Each source reads no further than the first timestep that changed it.
with first_change as (
    select distinct
        wanted.timestep_id,
        changed.timestep_id as changed_by
    from unnest($2::bigint[], $3::bigint[]) as wanted (timestep_id, source_id)
    cross join
        lateral (
            select later.timestep_id
            from waiting_timestep as later
            where
                later.stream_id = $1::int
                and later.timestep_id > wanted.timestep_id
                and wanted.source_id = any(later.before_ids)
            order by later.timestep_id
            limit 1
        ) as changed
)

select
    first_change.timestep_id,
    waiting_timestep.before_sources,
    waiting_timestep.before_statistics
from first_change
inner join waiting_timestep
    on
        waiting_timestep.stream_id = $1
        and first_change.changed_by = waiting_timestep.timestep_id
order by first_change.timestep_id, first_change.changed_by
