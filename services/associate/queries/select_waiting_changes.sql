-- Return what has changed of the timesteps of a stream that wait: rows that are there no longer, without
-- sources, and rows that are new, with the sources whose looks in them are not judged yet, and those of
-- these that may leave the catalogue then.
--
-- $1  stream_id    int
-- $2  timestep_id  bigint[]  rows that are known
-- $3  version      bigint[]  the transactions that wrote them
-- Index: the primary key.
select
    coalesce(waiting.timestep_id, known.timestep_id) as timestep_id,
    coalesce(waiting.version, known.version) as version,
    waiting.source_ids,
    array(
        select doubtful.source_id
        from unnest(waiting.doubtful_ids || waiting.doubtful_active_ids) as doubtful (source_id)
        where doubtful.source_id = any(waiting.source_ids)
    ) as undecided_ids
from (
    select
        waiting_timestep.timestep_id,
        waiting_timestep.source_ids,
        waiting_timestep.doubtful_ids,
        waiting_timestep.doubtful_active_ids,
        waiting_timestep.xmin::text::bigint as version
    from waiting_timestep
    where waiting_timestep.stream_id = $1::int
) as waiting
full join unnest($2::bigint[], $3::bigint[]) as known (timestep_id, version)
    on waiting.timestep_id = known.timestep_id and waiting.version = known.version
where waiting.timestep_id is null or known.timestep_id is null
