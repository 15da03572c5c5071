-- Return a page of the cells of the sky that images cover, each with its least rms, by cell.
--
-- $1  stream       text
-- $2  freq_eff_hz  float8  centre frequency, within 1 percent [Hz]
-- $3  after_cell   bigint  last of the previous page
-- $4  limit        int     [-]
-- Null leaves a condition out.
-- Index: the primary key of sky_coverage; the table is as long as the sky has cells.
select distinct on (sky_coverage.cell)
    sky_coverage.cell,
    sky_coverage.image_key as image,
    sky_coverage.rms_jy_beam,
    band.freq_eff_hz,
    sky_coverage.stokes
from sky_coverage
inner join band on sky_coverage.band_id = band.id
inner join stream on band.stream_id = stream.id
where
    ($1::text is null or stream.name = $1)
    and ($2::float8 is null or band.freq_eff_hz between 0.99 * $2 and 1.01 * $2)
    and ($3::bigint is null or sky_coverage.cell > $3)
order by sky_coverage.cell, sky_coverage.rms_jy_beam
limit $4::int
