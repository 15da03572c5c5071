-- Return whether reference catalogues have a source near each position.
--
-- $1  ra             float8[]  [deg]
-- $2  dec            float8[]  [deg]
-- $3  key            text[]    name of the match in the rules
-- $4  catalogue      text[]
-- $5  radius_arcsec  float8[]  [arcsec]
-- Index: reference_source (catalogue_id, zone, ra, dec).
select
    place.number::int - 1 as number,
    question.key,
    matches_reference(question.catalogue, place.ra, place.dec, question.radius_arcsec) as is_there
from unnest($1::float8[], $2::float8[]) with ordinality as place (ra, dec, number)
cross join unnest($3::text[], $4::text[], $5::float8[]) as question (key, catalogue, radius_arcsec)
