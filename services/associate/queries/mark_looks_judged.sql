-- Note that the looks of a timestep at some sources are judged.
--
-- $1  stream_id    int
-- $2  timestep_id  bigint
-- $3  source_ids   bigint[]
-- Index: the primary key.
update waiting_timestep
set
    source_ids = array(
        select unnest(waiting_timestep.source_ids) as source_id
        except
        select unnest($3::bigint[])
        order by source_id
    )
where
    waiting_timestep.stream_id = $1::int
    and waiting_timestep.timestep_id = $2::bigint
