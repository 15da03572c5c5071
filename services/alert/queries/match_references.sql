-- Return whether reference catalogues have a source near a position.
--
-- $1  ra             float8    [deg]
-- $2  dec            float8    [deg]
-- $3  key            text[]    one a question
-- $4  catalogue      text[]
-- $5  radius_arcsec  float8[]  [arcsec]
-- Index: reference_source (catalogue_id, zone, ra, dec).
select
    question.key,
    matches_reference(question.catalogue, $1::float8, $2::float8, question.radius_arcsec) as is_there
from unnest($3::text[], $4::text[], $5::float8[]) as question (key, catalogue, radius_arcsec)
