-- Keep the deepest image of each field and channel.
--
-- $1  band_id      int[]
-- $2  stokes       text[]
-- $3  field_key    text[]
-- $4  image        bigint[]
-- $5  rms_jy_beam  float8[]  [Jy/beam]
-- Index: the primary key.
insert into deepest_look (band_id, stokes, field_key, image, rms_jy_beam)
select distinct on (look.band_id, look.stokes, look.field_key)
    look.band_id, look.stokes, look.field_key, look.image, look.rms_jy_beam
from
    unnest($1::int[], $2::text[], $3::text[], $4::bigint[], $5::float8[])
        as look (band_id, stokes, field_key, image, rms_jy_beam)
order by look.band_id, look.stokes, look.field_key, look.rms_jy_beam, look.image
on conflict (band_id, stokes, field_key) do update
    set
        image = excluded.image,
        rms_jy_beam = excluded.rms_jy_beam
    where excluded.rms_jy_beam < deepest_look.rms_jy_beam
