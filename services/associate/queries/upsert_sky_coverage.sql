-- Keep an image in the cells where it is the deepest of its band and Stokes parameter.
--
-- $1  band_id      int
-- $2  stokes       text
-- $3  image_key    bigint
-- $4  cell         bigint[]
-- $5  rms_jy_beam  float8[]  [Jy/beam]
-- Index: the primary key. Cells with a deeper image are left out first: a conflict locks their rows.
insert into sky_coverage (band_id, stokes, cell, image_key, rms_jy_beam)
select $1::int, $2::text, row_in.cell, $3::bigint, row_in.rms_jy_beam
from unnest($4::bigint[], $5::float8[]) as row_in (cell, rms_jy_beam)
where
    not exists (
        select
        from sky_coverage as deeper
        where
            deeper.band_id = $1::int
            and deeper.stokes = $2::text
            and deeper.cell = row_in.cell
            and deeper.rms_jy_beam <= row_in.rms_jy_beam
    )
on conflict (band_id, stokes, cell) do update
    set
        image_key = excluded.image_key,
        rms_jy_beam = excluded.rms_jy_beam
