-- Store for how many looks in a row sources have not been detected, delete those that ended, and mark
-- those that are measured no more.
--
-- $1  stream_id        int
-- $2  source_id        bigint[]
-- $3  n_timesteps      int[]       [-]
-- $4  zone             smallint[]
-- $5  ra               float8[]    [deg]
-- $6  dec              float8[]    [deg]
-- $7  ended_source_id  bigint[]    none of source_id
-- $8  dormant_source_id  bigint[]  those of them that are measured no more
-- Index: the primary keys.
with ended as (
    delete from null_detection
    using unnest($7::bigint[]) as row_out (ended_source_id)
    where
        null_detection.stream_id = $1::int
        and null_detection.source_id = row_out.ended_source_id
),

dormant as (
    update source
    set is_dormant = true
    from unnest($8::bigint[]) as row_dormant (dormant_source_id)
    where source.id = row_dormant.dormant_source_id
)

insert into null_detection (stream_id, source_id, n_timesteps, zone, ra, dec)
select
    $1::int,
    row_in.source_id,
    row_in.n_timesteps,
    row_in.zone,
    row_in.ra,
    row_in.dec
from
    unnest($2::bigint[], $3::int[], $4::smallint[], $5::float8[], $6::float8[])
        as row_in (source_id, n_timesteps, zone, ra, dec)
on conflict (stream_id, source_id) do update set n_timesteps = excluded.n_timesteps
