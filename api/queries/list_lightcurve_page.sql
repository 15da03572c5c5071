-- Return a page of a light curve as one text: its points in time order as JSON, with commas between.
-- An undefined number is null. The key of the last point is the time, frequency and Stokes parameter in
-- the text, and what stands beside it.
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
with written as (
    select
        concat(
            '{"time_start":"',
            to_iso(point.time_start),
            '","exposure_s":',
            coalesce(finite(point.exposure_s)::text, 'null'),
            ',"freq_eff_hz":',
            coalesce(finite(point.freq_eff_hz)::text, 'null'),
            ',"freq_bw_hz":',
            coalesce(finite(point.freq_bw_hz)::text, 'null'),
            ',"stokes":',
            to_json(point.stokes),
            ',"flux_int_jy":',
            coalesce(finite(point.flux_int_jy)::text, 'null'),
            ',"flux_int_err_jy":',
            coalesce(finite(point.flux_int_err_jy)::text, 'null'),
            ',"flux_peak_jy_beam":',
            coalesce(finite(point.flux_peak_jy_beam)::text, 'null'),
            ',"flux_peak_err_jy_beam":',
            coalesce(finite(point.flux_peak_err_jy_beam)::text, 'null'),
            ',"snr":',
            coalesce(finite(point.snr)::text, 'null'),
            ',"ra":',
            coalesce(finite(point.ra)::text, 'null'),
            ',"dec":',
            coalesce(finite(point.dec)::text, 'null'),
            ',"extraction_type":"',
            point.extraction_type,
            '","quality_flags":',
            point.quality_flags,
            ',"p_false":',
            coalesce(finite(point.p_false)::text, 'null'),
            ',"image_id":"',
            point.image_id,
            '"}'
        ) as point,
        point.time_start,
        point.freq_eff_hz,
        point.stokes,
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
)

select
    coalesce(
        string_agg(
            written.point,
            ','
            order by
                written.time_start,
                written.freq_eff_hz,
                written.stokes,
                written.image_key,
                written.source_number
        ),
        ''
    ) as points,
    count(*) as n_points,
    (
        array_agg(
            written.image_key
            order by
                written.time_start,
                written.freq_eff_hz,
                written.stokes,
                written.image_key,
                written.source_number
        )
    )[count(*)] as image_key,
    (
        array_agg(
            written.source_number
            order by
                written.time_start,
                written.freq_eff_hz,
                written.stokes,
                written.image_key,
                written.source_number
        )
    )[count(*)] as source_number
from written
