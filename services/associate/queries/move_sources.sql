-- Write new search positions of sources that have drifted from the old ones.
--
-- $1  id          bigint[]
-- $2  search_ra   float8[]    [deg]
-- $3  search_dec  float8[]    [deg]
-- $4  zone        smallint[]
-- Index: the primary key.
update source
set
    zone = fresh.zone,
    search_ra = fresh.search_ra,
    search_dec = fresh.search_dec
from
    unnest($1::bigint[], $2::float8[], $3::float8[], $4::smallint[])
        as fresh (id, search_ra, search_dec, zone)
where source.id = fresh.id
