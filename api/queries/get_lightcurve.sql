-- Return every measurement of a source: its own, those it shares, those of its parents before it split off.
--
-- $1  source_id    bigint
-- $2  freq_eff_hz  float8  [Hz]  bands within 1 percent; null for all
-- Index: detection (source_id, time_start).
select
    point.time_start,
    image.exposure_s,
    band.freq_eff_hz,
    band.freq_bw_hz,
    point.stokes,
    point.flux_int_jy,
    point.flux_int_err_jy,
    point.flux_peak_jy_beam,
    point.flux_peak_err_jy_beam,
    point.snr,
    point.ra,
    point.dec,
    point.extraction_type,
    point.quality_flags,
    image.image_id
from light_curve($1::bigint, null) as point
inner join image on point.image_key = image.image_key
inner join band on point.band_id = band.id
where $2::float8 is null or abs(band.freq_eff_hz - $2) <= 0.01 * $2
order by point.time_start, band.freq_eff_hz, point.stokes, point.image_key
