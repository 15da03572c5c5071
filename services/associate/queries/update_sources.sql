-- Write the positions and the variability of known sources.
--
-- $1  id               bigint[]
-- $2  ra               float8[]     [deg]
-- $3  dec              float8[]     [deg]
-- $4  weight_ra        float8[]     [1/deg^2]
-- $5  weight_dec       float8[]     [1/deg^2]
-- $6  n_datapoints     int[]        [-]
-- $7  eta              float8[]     [-]
-- $8  v                float8[]     [-]
-- $9  last_time_start  timestamptz
-- Index: the primary key. Nothing that is written here is indexed, so updates stay HOT.
update source
set
    ra = row_in.ra,
    dec = row_in.dec,
    weight_ra = row_in.weight_ra,
    weight_dec = row_in.weight_dec,
    n_datapoints = row_in.n_datapoints,
    eta = row_in.eta,
    v = row_in.v,
    -- What a late image shows wakes no source up.
    is_dormant = case when source.last_time_start < $9::timestamptz then false else source.is_dormant end,
    last_time_start = greatest(source.last_time_start, $9::timestamptz)
from
    unnest(
        $1::bigint[], $2::float8[], $3::float8[], $4::float8[], $5::float8[], $6::int[], $7::float8[],
        $8::float8[]
    )
        as row_in (id, ra, dec, weight_ra, weight_dec, n_datapoints, eta, v)
where source.id = row_in.id
