-- Return light-curve statistics, one row a band and Stokes parameter: a string of rows of
-- fixed width. No column is null.
--
-- $1  source_id  bigint[]
-- Index: the primary key.
select
    source_band.band_id,
    source_band.stokes,
    string_agg(
        int8send(source_band.source_id) || int4send(source_band.n_datapoints)
        || int4send(source_band.n_forced) || float8send(source_band.flux_int_mean_jy)
        || float8send(source_band.flux_int_m2) || float8send(source_band.flux_int_weight)
        || float8send(source_band.flux_int_wmean_jy) || float8send(source_band.flux_int_wm2)
        || float8send(source_band.flux_peak_mean_jy_beam) || float8send(source_band.flux_peak_m2)
        || float8send(source_band.flux_peak_weight) || float8send(source_band.flux_peak_wmean_jy_beam)
        || float8send(source_band.flux_peak_wm2) || float8send(source_band.flux_forced_mean_jy_beam)
        || float8send(source_band.flux_forced_m2) || float8send(source_band.flux_forced_weight)
        || float8send(source_band.flux_forced_wmean_jy_beam) || float8send(source_band.flux_forced_wm2)
        || float8send(source_band.flux_int_max_jy) || source_band.change_state,
        ''
    ) as rows
from source_band
where source_band.source_id = any($1::bigint[])
group by source_band.band_id, source_band.stokes
