-- Return the light-curve statistics of sources, one row a band and Stokes parameter.
--
-- $1  source_id  bigint[]
-- Index: the primary key of source_band, for both halves: a planner that has the sources of one alone
-- computes the other half of every source of the catalogue.
select
    flux_int.source_id,
    band.freq_eff_hz,
    band.freq_bw_hz,
    flux_int.stokes,
    flux_int.n_datapoints,
    flux_int.n_forced,
    flux_int.flux_mean as flux_int_mean_jy,
    flux_int.flux_int_max_jy,
    flux_int.eta,
    flux_int.v,
    flux_int.eta_blind,
    flux_int.v_blind,
    flux_int.flux_wmean as flux_int_wmean_jy,
    flux_int.flux_wmean_err as flux_int_wmean_err_jy,
    flux_peak.flux_mean as flux_peak_mean_jy_beam,
    flux_peak.eta as eta_peak,
    flux_peak.v as v_peak,
    flux_peak.eta_blind as eta_peak_blind,
    flux_peak.v_blind as v_peak_blind
from source_band_variability as flux_int
inner join source_band_variability as flux_peak
    on
        flux_int.source_id = flux_peak.source_id
        and flux_int.band_id = flux_peak.band_id
        and flux_int.stokes = flux_peak.stokes
        and flux_peak.kind = 'peak'
inner join band on flux_int.band_id = band.id
where
    flux_int.source_id = any($1::bigint[])
    and flux_peak.source_id = any($1)
    and flux_int.kind = 'int'
    and flux_int.n_datapoints > 0
order by flux_int.source_id, band.freq_eff_hz, flux_int.stokes
