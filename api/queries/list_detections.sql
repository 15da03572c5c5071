-- Return a page of the measurements of a stream, newest first.
--
-- $1   stream               text
-- $2   since                timestamptz
-- $3   until                timestamptz
-- $4   ra                   float8       [deg]
-- $5   dec                  float8       [deg]
-- $6   radius_deg           float8       [deg]
-- $7   freq_eff_hz          float8       bands within 1 percent of this centre [Hz]
-- $8   extraction_type      text         blind, forced, monitor or lookback
-- $9   min_snr              float8       [-]
-- $10  after_time           timestamptz  $10 to $12: key of the last of the previous page
-- $11  after_image_key      bigint
-- $12  after_source_number  int
-- $13  limit                int          [-]
-- Null leaves a condition out.
-- Index: the primary key of the stream's partitions of detection, in its order.
select
    detection.source_id,
    image.image_id,
    detection.image_key,
    detection.source_number,
    stream.name as stream,
    detection.time_start,
    image.exposure_s,
    band.freq_eff_hz,
    band.freq_bw_hz,
    detection.stokes,
    detection.extraction_type,
    detection.ra,
    detection.dec,
    detection.ra_err_deg,
    detection.dec_err_deg,
    detection.flux_peak_jy_beam,
    detection.flux_peak_err_jy_beam,
    detection.flux_int_jy,
    detection.flux_int_err_jy,
    detection.snr,
    detection.rms_local_jy_beam,
    detection.major_arcsec,
    detection.minor_arcsec,
    detection.pa_deg,
    detection.de_ruiter_radius,
    detection.quality_flags,
    detection.p_false
from detection
inner join stream on detection.stream_id = stream.id
inner join band on detection.band_id = band.id
inner join image on detection.image_key = image.image_key
where
    detection.stream_id = (
        select named.id from stream as named
        where named.name = $1::text
    )
    and ($2::timestamptz is null or detection.time_start >= $2)
    and ($3::timestamptz is null or detection.time_start < $3)
    and (
        $6::float8 is null
        or sind((detection.dec - $5::float8) / 2) ^ 2
        + cosd(detection.dec) * cosd($5::float8) * sind((detection.ra - $4::float8) / 2) ^ 2
        <= sind($6 / 2) ^ 2 + 1e-15
    )
    and ($7::float8 is null or abs(band.freq_eff_hz - $7) <= 0.01 * $7)
    and ($8::text is null or detection.extraction_type = $8)
    and ($9::float8 is null or detection.snr >= $9)
    and (
        $10::timestamptz is null
        or (detection.time_start, detection.image_key, detection.source_number)
        < ($10, $11::bigint, $12::int)
    )
order by detection.time_start desc, detection.image_key desc, detection.source_number desc
limit $13::int
