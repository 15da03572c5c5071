-- Store what a stream's next timestep waits for.
--
-- $1  band_id           int[]
-- $2  stokes            text[]
-- $3  last_time_start   timestamptz[]
-- $4  missed_timesteps  int[]
-- Index: the primary key.
insert into expected_channel (band_id, stokes, last_time_start, missed_timesteps)
select state.band_id, state.stokes, state.last_time_start, state.missed_timesteps
from
    unnest($1::int[], $2::text[], $3::timestamptz[], $4::int[])
        as state (band_id, stokes, last_time_start, missed_timesteps)
on conflict (band_id, stokes) do update
    set
        last_time_start = greatest(expected_channel.last_time_start, excluded.last_time_start),
        missed_timesteps = excluded.missed_timesteps
