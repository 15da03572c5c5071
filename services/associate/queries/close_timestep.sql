-- Store up to where a stream is closed, and what its next timestep waits for; images up to there are
-- late from now on.
--
-- $1  stream_id         int
-- $2  closed_until      timestamptz    start of the timestep
-- $3  is_looked         boolean        whether an image of it was accepted
-- $4  band_id           int[]
-- $5  stokes            text[]
-- $6  last_time_start   timestamptz[]
-- $7  missed_timesteps  int[]
-- Index: the primary keys.
with closed as (
    update stream
    set
        closed_until = greatest(stream.closed_until, $2::timestamptz),
        looked_until = case when $3::boolean then $2::timestamptz else stream.looked_until end
    where stream.id = $1::int
)

insert into expected_channel (band_id, stokes, last_time_start, missed_timesteps)
select state.band_id, state.stokes, state.last_time_start, state.missed_timesteps
from
    unnest($4::int[], $5::text[], $6::timestamptz[], $7::int[])
        as state (band_id, stokes, last_time_start, missed_timesteps)
on conflict (band_id, stokes) do update
    set
        last_time_start = greatest(expected_channel.last_time_start, excluded.last_time_start),
        missed_timesteps = excluded.missed_timesteps
