-- Return points of a light curve in time order, each as a line of CSV; an unknown value is empty.
--
-- $1   source_id            bigint
-- $2   freq_eff_hz          float8       bands within 1 percent of this centre [Hz]
-- $3   newest               bigint       the newest points alone, at most so many [-]
-- $4   extraction_type      text         blind, forced, monitor or lookback
-- Null leaves a condition out.
-- Index: detection (source_id, time_start).
select
    concat_ws(
        ',',
        to_iso(point.time_start),
        coalesce(point.exposure_s::text, ''),
        coalesce(point.freq_eff_hz::text, ''),
        coalesce(point.freq_bw_hz::text, ''),
        coalesce(point.stokes::text, ''),
        coalesce(point.flux_int_jy::text, ''),
        coalesce(point.flux_int_err_jy::text, ''),
        coalesce(point.flux_peak_jy_beam::text, ''),
        coalesce(point.flux_peak_err_jy_beam::text, ''),
        coalesce(point.snr::text, ''),
        coalesce(point.ra::text, ''),
        coalesce(point.dec::text, ''),
        coalesce(point.extraction_type::text, ''),
        coalesce(point.quality_flags::text, ''),
        coalesce(point.p_false::text, ''),
        coalesce(point.image_id::text, '')
    ) as line
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
