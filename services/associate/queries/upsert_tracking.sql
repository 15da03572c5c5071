-- Store the last detections of a stream that may belong to moving objects.
--
-- $1  stream_id  int
-- $2  look       bigint    [-]
-- $3  source_id  bigint[]
-- $4  track_id   bigint[]
-- $5  looks      bigint[]  [-]
-- $6  time_s     float8[]  [s]
-- $7  ra         float8[]  [deg]
-- $8  dec        float8[]  [deg]
-- $9  err_deg    float8[]  [deg]
-- Index: the primary key.
insert into tracking (stream_id, look, source_id, track_id, looks, time_s, ra, dec, err_deg)
values (
    $1::int,
    $2::bigint,
    $3::bigint[],
    $4::bigint[],
    $5::bigint[],
    $6::float8[],
    $7::float8[],
    $8::float8[],
    $9::float8[]
)
on conflict (stream_id) do update
    set
        look = excluded.look,
        source_id = excluded.source_id,
        track_id = excluded.track_id,
        looks = excluded.looks,
        time_s = excluded.time_s,
        ra = excluded.ra,
        dec = excluded.dec,
        err_deg = excluded.err_deg
