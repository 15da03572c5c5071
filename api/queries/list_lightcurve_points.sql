-- Return points of a light curve in time order: own, shared, and those of ancestors before the split.
--
-- $1   source_id            bigint
-- $2   freq_eff_hz          float8       bands within 1 percent of this centre [Hz]
-- $3   newest               bigint       the newest points alone, at most so many [-]
-- $4   extraction_type      text         blind, forced, monitor or lookback
-- Null leaves a condition out.
-- Index: detection (source_id, time_start).
select
    point.time_start,
    point.exposure_s,
    point.freq_eff_hz,
    point.freq_bw_hz,
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
    point.p_false,
    point.image_id
from
    light_curve_points(
        $1::bigint,
        $2::float8,
        $3::bigint,
        $4::text,
        null,
        null,
        null,
        null,
        null,
        null
    ) as point
order by
    point.time_start,
    point.freq_eff_hz,
    point.stokes,
    point.image_key,
    point.source_number
