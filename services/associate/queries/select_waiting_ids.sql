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
        select unnest($2::bigint[])
        intersect
        select unnest(waiting_timestep.source_ids)
        from waiting_timestep
        where waiting_timestep.stream_id = $1
    ) as source_ids
