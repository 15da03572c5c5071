-- Store stamps that are asked for, and those that cannot be; one that is known stays.
--
-- $1   stamp_id      text[]
-- $2   trig_id       text[]
-- $3   role          text[]
-- $4   transient_id  bigint[]
-- $5   source_id     bigint[]
-- $6   stream_id     int[]
-- $7   ra            float8[]       [deg]
-- $8   dec           float8[]       [deg]
-- $9   image_key     bigint[]
-- $10  image_id      text[]
-- $11  time_start    timestamptz[]
-- $12  freq_eff_hz   float8[]       [Hz]
-- $13  stokes        text[]
-- $14  rms_jy_beam   float8[]       [Jy/beam]
-- $15  reason        text[]         null: it is asked for
-- Index: the primary key.
insert into stamp (
    stamp_id, trig_id, role, transient_id, source_id, stream_id, ra, dec, image_key, image_id, time_start,
    freq_eff_hz, stokes, rms_jy_beam, state, reason, time_requested, time_answered
)
select
    row_in.stamp_id,
    row_in.trig_id,
    row_in.role,
    row_in.transient_id,
    row_in.source_id,
    row_in.stream_id,
    row_in.ra,
    row_in.dec,
    row_in.image_key,
    row_in.image_id,
    row_in.time_start,
    row_in.freq_eff_hz,
    row_in.stokes,
    row_in.rms_jy_beam,
    case when row_in.reason is null then 'waiting' else 'missing' end as state,
    row_in.reason,
    now() as time_requested,
    case when row_in.reason is not null then now() end as time_answered
from
    unnest(
        $1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::int[], $7::float8[], $8::float8[],
        $9::bigint[], $10::text[], $11::timestamptz[], $12::float8[], $13::text[], $14::float8[], $15::text[]
    )
        as row_in (
            stamp_id,
            trig_id,
            role,
            transient_id,
            source_id,
            stream_id,
            ra,
            dec,
            image_key,
            image_id,
            time_start,
            freq_eff_hz, stokes, rms_jy_beam, reason
        )
on conflict (stamp_id) do nothing
