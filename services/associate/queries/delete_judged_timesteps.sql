-- Delete the timesteps of a stream that are judged, but for those after one that is not: it may need
-- what they have changed.
--
-- $1  stream_id  int
-- Index: the primary key.
delete from waiting_timestep
where
    waiting_timestep.stream_id = $1::int
    and waiting_timestep.source_ids = '{}'
    and waiting_timestep.timestep_id < coalesce(
        (
            select min(earlier.timestep_id)
            from waiting_timestep as earlier
            where
                earlier.stream_id = $1
                and earlier.source_ids <> '{}'
        ),
        9223372036854775807
    )
