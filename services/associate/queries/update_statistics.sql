-- Write light-curve statistics of sources that have a row of the band; cheaper than an upsert.
--
-- $1   band_id                  int
-- $2   stokes                   text
-- $3   source_id                bigint[]
-- $4   n_datapoints             int[]     [-]
-- $5   flux_int_mean_jy         float8[]  [Jy]
-- $6   flux_int_m2              float8[]  [Jy^2]
-- $7   flux_int_weight          float8[]  [1/Jy^2]
-- $8   flux_int_wmean_jy        float8[]  [Jy]
-- $9   flux_int_wm2             float8[]  [-]
-- $10  flux_peak_mean_jy_beam   float8[]  [Jy/beam]
-- $11  flux_peak_m2             float8[]  [(Jy/beam)^2]
-- $12  flux_peak_weight         float8[]  [(beam/Jy)^2]
-- $13  flux_peak_wmean_jy_beam  float8[]  [Jy/beam]
-- $14  flux_peak_wm2            float8[]  [-]
-- $15  flux_int_max_jy          float8[]  [Jy]
-- $16  change_state             bytea     those of all sources, one after the other
-- Index: the primary key, from leaf to leaf: a join would descend it for each source. Elements are read by
-- their places: to unnest twelve arrays costs a third of the statement.
update source_band
set
    n_datapoints = ($4::int[])[row_in.place],
    flux_int_mean_jy = ($5::float8[])[row_in.place],
    flux_int_m2 = ($6::float8[])[row_in.place],
    flux_int_weight = ($7::float8[])[row_in.place],
    flux_int_wmean_jy = ($8::float8[])[row_in.place],
    flux_int_wm2 = ($9::float8[])[row_in.place],
    flux_peak_mean_jy_beam = ($10::float8[])[row_in.place],
    flux_peak_m2 = ($11::float8[])[row_in.place],
    flux_peak_weight = ($12::float8[])[row_in.place],
    flux_peak_wmean_jy_beam = ($13::float8[])[row_in.place],
    flux_peak_wm2 = ($14::float8[])[row_in.place],
    flux_int_max_jy = ($15::float8[])[row_in.place],
    change_state = substr($16::bytea, (112 * (row_in.place - 1) + 1)::int, 112)
from unnest($3::bigint[]) with ordinality as row_in (source_id, place)
where
    source_band.source_id = any($3::bigint[])
    and source_band.source_id = row_in.source_id
    and source_band.band_id = $1::int
    and source_band.stokes = $2::text
