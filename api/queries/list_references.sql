-- Return the nearest source of each reference catalogue within a radius of a position.
--
-- $1  ra             float8  [deg]
-- $2  dec            float8  [deg]
-- $3  radius_arcsec  float8  [arcsec]
-- Index: reference_source (catalogue_id, zone, ra, dec).
select
    near.catalogue,
    near.source_name as name,
    near.distance_arcsec as separation_arcsec,
    near.match_ra as ra,
    near.match_dec as dec,
    near.flux_jy
from near_references($1::float8, $2::float8, $3::float8) as near
order by near.distance_arcsec
