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
-- Index: the primary key, from leaf to leaf, as in update_statistics.sql. Nothing that is written here is
-- indexed, so updates stay HOT.
update source
set
    ra = ($2::float8[])[row_in.place],
    dec = ($3::float8[])[row_in.place],
    weight_ra = ($4::float8[])[row_in.place],
    weight_dec = ($5::float8[])[row_in.place],
    n_datapoints = ($6::int[])[row_in.place],
    eta = ($7::float8[])[row_in.place],
    v = ($8::float8[])[row_in.place],
    -- What a late image shows wakes no source up.
    is_dormant = case when source.last_time_start < $9::timestamptz then false else source.is_dormant end,
    last_time_start = greatest(source.last_time_start, $9::timestamptz)
from unnest($1::bigint[]) with ordinality as row_in (id, place)
where
    source.id = any($1::bigint[])
    and source.id = row_in.id
