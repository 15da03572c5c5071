-- Write new search positions of sources that have drifted from the old ones.
--
-- $1  id          bigint[]
-- $2  search_ra   float8[]    [deg]
-- $3  search_dec  float8[]    [deg]
-- $4  zone        smallint[]
-- Index: the primary key.
update source
set
    zone = row_in.zone,
    search_ra = row_in.search_ra,
    search_dec = row_in.search_dec
from
    unnest($1::bigint[], $2::float8[], $3::float8[], $4::smallint[])
        as row_in (id, search_ra, search_dec, zone)
where source.id = row_in.id
