-- Return points of a light curve in time order: own, shared, and those of ancestors before the split.
--
-- $1   source_id            bigint
-- $2   freq_eff_hz          float8       bands within 1 percent of this centre [Hz]
-- $3   newest               bigint       the newest points alone, at most so many [-]
-- $4   after_time           timestamptz  $4 to $8: key of the last point of the previous page
-- $5   after_freq_eff_hz    float8       [Hz]
-- $6   after_stokes         text
-- $7   after_image_key      bigint
-- $8   after_source_number  int
-- $9   limit                int          [-]
-- $10  extraction_type      text         blind, forced, monitor or lookback
-- Null leaves a condition out.
-- Index: detection (source_id, time_start).
with point as (
    select
        curve.*,
        band.freq_eff_hz,
        band.freq_bw_hz
    from
        light_curve(
            $1::bigint, case when $2::float8 is null and $10::text is null then $3::bigint end
        ) as curve
    inner join band on curve.band_id = band.id
    where
        ($2::float8 is null or abs(band.freq_eff_hz - $2) <= 0.01 * $2)
        and ($10::text is null or curve.extraction_type = $10)
    order by case when $3 is not null then curve.time_start end desc
    limit $3
),

page as (
    select point.*
    from point
    where
        $4::timestamptz is null
        or (point.time_start, point.freq_eff_hz, point.stokes, point.image_key, point.source_number)
        > ($4, $5::float8, $6::text, $7::bigint, $8::int)
    order by point.time_start, point.freq_eff_hz, point.stokes, point.image_key, point.source_number
    limit $9::int
)

select
    page.time_start,
    image.exposure_s,
    page.freq_eff_hz,
    page.freq_bw_hz,
    page.stokes,
    page.flux_int_jy,
    page.flux_int_err_jy,
    page.flux_peak_jy_beam,
    page.flux_peak_err_jy_beam,
    page.snr,
    page.ra,
    page.dec,
    page.extraction_type,
    page.quality_flags,
    page.p_false,
    image.image_id,
    page.image_key,
    page.source_number
from page
inner join image on page.image_key = image.image_key
order by page.time_start, page.freq_eff_hz, page.stokes, page.image_key, page.source_number
