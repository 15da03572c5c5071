-- Return the light-curve statistics of sources, one array a column and one row a channel.
--
-- $1  source_id  bigint[]
-- Index: the primary key.
select
    source_band.band_id,
    source_band.stokes,
    array_agg(source_band.source_id) as source_id,
    array_agg(source_band.n_datapoints) as n,
    array_agg(source_band.flux_int_mean_jy) as int_mean,
    array_agg(source_band.flux_int_m2) as int_m2,
    array_agg(source_band.flux_int_weight) as int_weight,
    array_agg(source_band.flux_int_wmean_jy) as int_wmean,
    array_agg(source_band.flux_int_wm2) as int_wm2,
    array_agg(source_band.flux_peak_mean_jy_beam) as peak_mean,
    array_agg(source_band.flux_peak_m2) as peak_m2,
    array_agg(source_band.flux_peak_weight) as peak_weight,
    array_agg(source_band.flux_peak_wmean_jy_beam) as peak_wmean,
    array_agg(source_band.flux_peak_wm2) as peak_wm2,
    array_agg(source_band.flux_int_max_jy) as int_max
from source_band
where source_band.source_id = any($1::bigint[])
group by source_band.band_id, source_band.stokes
