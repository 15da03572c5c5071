-- Write what a timestep taught us of known sources.
--
-- $1   id               bigint[]
-- $2   zone             smallint[]
-- $3   search_ra        float8[]    [deg]; changes only after a drift, so updates stay HOT
-- $4   search_dec       float8[]    [deg]
-- $5   ra               float8[]    [deg]
-- $6   dec              float8[]    [deg]
-- $7   weight_ra        float8[]    [1/deg^2]
-- $8   weight_dec       float8[]    [1/deg^2]
-- $9   n_datapoints     int[]       [-]
-- $10  eta              float8[]    [-]
-- $11  v                float8[]    [-]
-- $12  is_new           boolean[]
-- $13  is_variable      boolean[]
-- $14  last_time_start  timestamptz
-- Index: the primary key.
update source
set
    zone = fresh.zone,
    search_ra = fresh.search_ra,
    search_dec = fresh.search_dec,
    ra = fresh.ra,
    dec = fresh.dec,
    weight_ra = fresh.weight_ra,
    weight_dec = fresh.weight_dec,
    n_datapoints = fresh.n_datapoints,
    eta = fresh.eta,
    v = fresh.v,
    is_new = fresh.is_new,
    is_variable = fresh.is_variable,
    last_time_start = greatest(source.last_time_start, $14::timestamptz)
from
    unnest(
        $1::bigint[], $2::smallint[], $3::float8[], $4::float8[], $5::float8[], $6::float8[],
        $7::float8[], $8::float8[], $9::int[], $10::float8[], $11::float8[], $12::boolean[], $13::boolean[]
    )
        as fresh (
            id,
            zone,
            search_ra,
            search_dec,
            ra,
            dec,
            weight_ra,
            weight_dec,
            n_datapoints,
            eta,
            v,
            is_new,
            is_variable
        )
where source.id = fresh.id
