-- Return every measurement of a source: its own, those it shares, those of its parents before it split off.
--
-- $1  source_id    bigint
-- $2  freq_eff_hz  float8  [Hz]  bands within 1 percent; null for all
-- Index: detection (source_id, time_start).
with recursive ancestor as (
    select
        source.id,
        source.parent_source_id,
        source.first_time_start,
        source.first_image,
        'infinity'::timestamptz as until_time,
        0::bigint as until_image
    from source
    where source.id = $1::bigint
    union all
    select
        parent.id,
        parent.parent_source_id,
        parent.first_time_start,
        parent.first_image,
        ancestor.first_time_start as until_time,
        ancestor.first_image as until_image
    from ancestor
    inner join source as parent on ancestor.parent_source_id = parent.id
),

point as (
    select detection.*
    from ancestor
    inner join detection
        on
            ancestor.id = detection.source_id
            and ancestor.until_time >= detection.time_start
            and (ancestor.until_time, ancestor.until_image) > (detection.time_start, detection.image)
    union all
    select detection.*
    from ancestor
    inner join shared_detection
        on
            ancestor.id = shared_detection.source_id
            and ancestor.until_time >= shared_detection.time_start
            and (ancestor.until_time, ancestor.until_image)
            > (shared_detection.time_start, shared_detection.image)
    inner join detection
        on
            shared_detection.time_start = detection.time_start
            and shared_detection.image = detection.image
            and shared_detection.source_number = detection.source_number
)

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
from point
inner join image on point.image = image.id
inner join band on point.band_id = band.id
where $2::float8 is null or abs(band.freq_eff_hz - $2) <= 0.01 * $2
order by point.time_start, band.freq_eff_hz, point.stokes, point.image
