-- Return the nearest source of each reference catalogue within a radius of positions.
--
-- $1  ra             float8[]  [deg]
-- $2  dec            float8[]  [deg]
-- $3  radius_arcsec  float8    [arcsec]
-- Index: reference_source (catalogue_id, zone, ra, dec).
select
    place.number::int - 1 as number,
    near.catalogue,
    near.match_ra as ra,
    near.match_dec as dec,
    near.distance_arcsec,
    near.source_name,
    near.flux_jy
from unnest($1::float8[], $2::float8[]) with ordinality as place (ra, dec, number)
cross join lateral near_references(place.ra, place.dec, $3::float8) as near
order by place.number, near.distance_arcsec
