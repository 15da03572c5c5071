-- Return the light-curve statistics of sources, one row a band and Stokes parameter.
--
-- $1  source_id  bigint[]
-- Index: the primary key.
select
    source_band.source_id,
    band.freq_eff_hz,
    band.freq_bw_hz,
    source_band.stokes,
    source_band.n_datapoints,
    source_band.flux_int_mean_jy,
    source_band.flux_int_max_jy,
    case
        when source_band.n_datapoints > 1 then source_band.flux_int_wm2 / (source_band.n_datapoints - 1)
        else 0
    end as eta,
    case
        when source_band.n_datapoints > 1 and source_band.flux_int_mean_jy <> 0
            then sqrt(source_band.flux_int_m2 / (source_band.n_datapoints - 1)) / source_band.flux_int_mean_jy
        else 0
    end as v,
    source_band.flux_int_wmean_jy,
    case
        when source_band.flux_int_weight > 0 then 1 / sqrt(source_band.flux_int_weight)
    end as flux_int_wmean_err_jy,
    source_band.flux_peak_mean_jy_beam,
    case
        when source_band.n_datapoints > 1 then source_band.flux_peak_wm2 / (source_band.n_datapoints - 1)
        else 0
    end as eta_peak,
    case
        when source_band.n_datapoints > 1 and source_band.flux_peak_mean_jy_beam <> 0
            then
                sqrt(source_band.flux_peak_m2 / (source_band.n_datapoints - 1))
                / source_band.flux_peak_mean_jy_beam
        else 0
    end as v_peak
from source_band
inner join band on source_band.band_id = band.id
where source_band.source_id = any($1::bigint[]) and source_band.n_datapoints > 0
order by source_band.source_id, band.freq_eff_hz, source_band.stokes
