-- Return the HEALPix cells that accepted images cover.
--
-- $1  stream   text
-- $2  band_id  int
-- $3  stokes   text
-- $4  limit    int   [-]
-- Null leaves a filter out.
-- Index: the primary key of sky_coverage.
select distinct sky_coverage.cell
from sky_coverage
inner join band on sky_coverage.band_id = band.id
inner join stream on band.stream_id = stream.id
where
    ($1::text is null or stream.name = $1)
    and ($2::int is null or sky_coverage.band_id = $2)
    and ($3::text is null or sky_coverage.stokes = $3)
order by sky_coverage.cell
limit $4::int
