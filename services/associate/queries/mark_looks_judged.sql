-- Note that the looks of some timesteps at some sources are judged.
--
-- $1  stream_id    int
-- $2  timestep_id  bigint[]
-- $3  source_id    bigint[]  judged in the timestep of the same place in the array
-- Index: the primary key.
update waiting_timestep
set
    source_ids = array(
        select unnest(waiting_timestep.source_ids) as source_id
        except
        select judged.source_id
        from unnest($2::bigint[], $3::bigint[]) as judged (timestep_id, source_id)
        where judged.timestep_id = waiting_timestep.timestep_id
        order by source_id
    )
where
    waiting_timestep.stream_id = $1::int
    and waiting_timestep.timestep_id = any($2)
