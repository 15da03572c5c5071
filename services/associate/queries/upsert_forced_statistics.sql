-- Write the statistics of the forced points of sources in one band and Stokes parameter.
--
-- $1   band_id                     int
-- $2   stokes                      text
-- $3   source_id                   bigint[]
-- $4   n_datapoints                int[]     [-]
-- $5   n_forced                    int[]     [-]
-- $6   flux_forced_mean_jy_beam    float8[]  [Jy/beam]
-- $7   flux_forced_m2              float8[]  [(Jy/beam)^2]
-- $8   flux_forced_weight          float8[]  [(beam/Jy)^2]
-- $9   flux_forced_wmean_jy_beam   float8[]  [Jy/beam]
-- $10  flux_forced_wm2             float8[]  [-]
-- $11  flux_int_max_jy             float8[]  [Jy]
-- $12  change_state                bytea[]
-- Index: the primary key. Only the holder of the stream's lock writes here.
insert into source_band (
    flux_int_mean_jy, flux_int_m2, flux_int_weight, flux_int_wmean_jy, flux_int_wm2,
    flux_peak_mean_jy_beam, flux_peak_m2, flux_peak_weight, flux_peak_wmean_jy_beam, flux_peak_wm2,
    source_id, band_id, stokes, n_datapoints, n_forced,
    flux_forced_mean_jy_beam, flux_forced_m2, flux_forced_weight, flux_forced_wmean_jy_beam,
    flux_forced_wm2, flux_int_max_jy, change_state
)
select
    0 as flux_int_mean_jy,
    0 as flux_int_m2,
    0 as flux_int_weight,
    0 as flux_int_wmean_jy,
    0 as flux_int_wm2,
    0 as flux_peak_mean_jy_beam,
    0 as flux_peak_m2,
    0 as flux_peak_weight,
    0 as flux_peak_wmean_jy_beam,
    0 as flux_peak_wm2,
    row_in.source_id, $1::int, $2::text, row_in.n_datapoints, row_in.n_forced,
    row_in.flux_forced_mean_jy_beam, row_in.flux_forced_m2, row_in.flux_forced_weight,
    row_in.flux_forced_wmean_jy_beam, row_in.flux_forced_wm2, row_in.flux_int_max_jy, row_in.change_state
from
    unnest(
        $3::bigint[], $4::int[], $5::int[], $6::float8[], $7::float8[], $8::float8[], $9::float8[],
        $10::float8[], $11::float8[], $12::bytea[]
    )
        as row_in (
            source_id, n_datapoints, n_forced, flux_forced_mean_jy_beam, flux_forced_m2,
            flux_forced_weight, flux_forced_wmean_jy_beam, flux_forced_wm2, flux_int_max_jy, change_state
        )
on conflict (source_id, band_id, stokes) do update
    set
        n_datapoints = source_band.n_datapoints - source_band.n_forced + excluded.n_forced,
        n_forced = excluded.n_forced,
        flux_forced_mean_jy_beam = excluded.flux_forced_mean_jy_beam,
        flux_forced_m2 = excluded.flux_forced_m2,
        flux_forced_weight = excluded.flux_forced_weight,
        flux_forced_wmean_jy_beam = excluded.flux_forced_wmean_jy_beam,
        flux_forced_wm2 = excluded.flux_forced_wm2,
        flux_int_max_jy = greatest(source_band.flux_int_max_jy, excluded.flux_int_max_jy),
        change_state = excluded.change_state
