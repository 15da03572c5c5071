-- Return the HEALPix orders of the cells that images of a band and Stokes parameter cover.
--
-- $1  band_id    int
-- $2  stokes     text
-- $3  max_order  int   [-]
-- Index: the primary key.
select level.k
from generate_series(0, $3::int) as level (k)
where
    exists (
        select
        from sky_coverage
        where
            sky_coverage.band_id = $1::int
            and sky_coverage.stokes = $2::text
            and sky_coverage.cell >= (4 * 4 ^ level.k)::bigint
            and sky_coverage.cell < (16 * 4 ^ level.k)::bigint
    )
order by level.k
