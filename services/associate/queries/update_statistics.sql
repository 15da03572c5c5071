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
-- $16  change_state             bytea[]
-- Index: the primary key.
update source_band
set
    n_datapoints = row_in.n_datapoints,
    flux_int_mean_jy = row_in.flux_int_mean_jy,
    flux_int_m2 = row_in.flux_int_m2,
    flux_int_weight = row_in.flux_int_weight,
    flux_int_wmean_jy = row_in.flux_int_wmean_jy,
    flux_int_wm2 = row_in.flux_int_wm2,
    flux_peak_mean_jy_beam = row_in.flux_peak_mean_jy_beam,
    flux_peak_m2 = row_in.flux_peak_m2,
    flux_peak_weight = row_in.flux_peak_weight,
    flux_peak_wmean_jy_beam = row_in.flux_peak_wmean_jy_beam,
    flux_peak_wm2 = row_in.flux_peak_wm2,
    flux_int_max_jy = row_in.flux_int_max_jy,
    change_state = row_in.change_state
from
    unnest(
        $3::bigint[], $4::int[], $5::float8[], $6::float8[], $7::float8[], $8::float8[], $9::float8[],
        $10::float8[], $11::float8[], $12::float8[], $13::float8[], $14::float8[], $15::float8[], $16::bytea[]
    )
        as row_in (
            source_id, n_datapoints, flux_int_mean_jy, flux_int_m2, flux_int_weight, flux_int_wmean_jy,
            flux_int_wm2, flux_peak_mean_jy_beam, flux_peak_m2, flux_peak_weight, flux_peak_wmean_jy_beam,
            flux_peak_wm2, flux_int_max_jy, change_state
        )
where
    source_band.source_id = row_in.source_id
    and source_band.band_id = $1::int
    and source_band.stokes = $2::text
