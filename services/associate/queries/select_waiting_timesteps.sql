-- Return the timesteps in which looks at some sources are not judged yet, in their order, and which of
-- these sources wait, are doubtful, and have no answer in them.
--
-- $1  stream_id  int
-- $2  source_id  bigint[]
-- Indexes: the primary key; waiting_request (stream_id, timestep_id).
select
    waiting_timestep.timestep_id,
    waiting_timestep.time_start,
    waiting_timestep.image_keys,
    array(
        select waiting.source_ids
        from unnest(waiting_timestep.source_ids) as waiting (source_ids)
        where waiting.source_ids = any($2::bigint[])
    ) as source_ids,
    waiting_timestep.doubtful_ids,
    waiting_timestep.doubtful_active_ids,
    waiting_timestep.retracted_ids,
    waiting_timestep.retraction_reasons,
    array(
        select asked.source_ids
        from waiting_request
        cross join unnest(waiting_request.source_ids) as asked (source_ids)
        where
            waiting_request.stream_id = $1
            and waiting_request.timestep_id = waiting_timestep.timestep_id
            and asked.source_ids = any($2)
    ) as unanswered_ids
from waiting_timestep
where
    waiting_timestep.stream_id = $1::int
    and waiting_timestep.source_ids && $2
order by waiting_timestep.timestep_id
