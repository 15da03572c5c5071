-- Return a page of a light curve in time order, each point as JSON; an undefined number is null.
--
-- $1   source_id            bigint
-- $2   freq_eff_hz          float8       bands within 1 percent of this centre [Hz]
-- $3   newest               bigint       the newest points alone, at most so many [-]
-- $4   extraction_type      text         blind, forced, monitor or lookback
-- $5   after_time           timestamptz  $5 to $9: key of the last point of the previous page
-- $6   after_freq_eff_hz    float8       [Hz]
-- $7   after_stokes         text
-- $8   after_image_key      bigint
-- $9   after_source_number  int
-- $10  limit                int          [-]
-- Null leaves a condition out.
-- Index: detection (source_id, time_start).
select
    row_to_json(cells)::text as point,
    point.image_key,
    point.source_number
from
    light_curve_points(
        $1::bigint,
        $2::float8,
        $3::bigint,
        $4::text,
        $5::timestamptz,
        $6::float8,
        $7::text,
        $8::bigint,
        $9::int,
        $10::int
    ) as point
cross join
    lateral (
        select
            to_iso(point.time_start) as time_start,
            finite(point.exposure_s) as exposure_s,
            finite(point.freq_eff_hz) as freq_eff_hz,
            finite(point.freq_bw_hz) as freq_bw_hz,
            point.stokes,
            finite(point.flux_int_jy) as flux_int_jy,
            finite(point.flux_int_err_jy) as flux_int_err_jy,
            finite(point.flux_peak_jy_beam) as flux_peak_jy_beam,
            finite(point.flux_peak_err_jy_beam) as flux_peak_err_jy_beam,
            finite(point.snr) as snr,
            finite(point.ra) as ra,
            finite(point.dec) as dec,
            point.extraction_type,
            point.quality_flags,
            finite(point.p_false) as p_false,
            point.image_id
    ) as cells
order by
    point.time_start,
    point.freq_eff_hz,
    point.stokes,
    point.image_key,
    point.source_number
