-- Write the variability of sources that have new forced points.
--
-- $1  id            bigint[]
-- $2  n_datapoints  int[]     [-]
-- $3  n_forced      int[]     [-]
-- $4  eta           float8[]  [-]
-- $5  v             float8[]  [-]
-- Index: the primary key. Nothing that is written here is indexed, so updates stay HOT.
update source
set
    n_datapoints = row_in.n_datapoints,
    n_forced = row_in.n_forced,
    eta = row_in.eta,
    v = row_in.v
from
    unnest($1::bigint[], $2::int[], $3::int[], $4::float8[], $5::float8[])
        as row_in (id, n_datapoints, n_forced, eta, v)
where source.id = row_in.id
