-- Return how many timesteps wait, and which of some sources have looks there that are not judged yet.
--
-- $1  stream_id  int
-- $2  source_id  bigint[]
-- Index: the primary key.
select
    (
        select count(*)
        from waiting_timestep
        where waiting_timestep.stream_id = $1::int
    ) as n_timesteps,
    array(
        select distinct touched.source_id
        from waiting_timestep
        cross join unnest(waiting_timestep.source_ids) as waiting (source_ids)
        inner join unnest($2::bigint[]) as touched (source_id) on waiting.source_ids = touched.source_id
        where waiting_timestep.stream_id = $1
    ) as source_ids
