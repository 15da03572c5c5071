-- Store for how many timesteps in a row sources have not been detected.
--
-- $1  stream_id    int
-- $2  source_id    bigint[]
-- $3  n_timesteps  int[]
-- Index: the primary key.
insert into null_detection (stream_id, source_id, n_timesteps)
select
    $1::int,
    row_in.source_id,
    row_in.n_timesteps
from unnest($2::bigint[], $3::int[]) as row_in (source_id, n_timesteps)
on conflict (stream_id, source_id) do update set n_timesteps = excluded.n_timesteps
