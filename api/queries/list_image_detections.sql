-- Return the measurements in one image with the positions of their sources, by their numbers.
--
-- $1  id     bigint  image
-- $2  limit  int     [-]
-- Index: the primary keys of the stream's partitions of detection, and of source.
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
    detection.p_false,
    source.ra as source_ra,
    source.dec as source_dec
from image
inner join detection
    on
        image.stream_id = detection.stream_id
        and image.time_start = detection.time_start
        and image.image_key = detection.image_key
inner join stream on image.stream_id = stream.id
inner join band on detection.band_id = band.id
left join source on detection.source_id = source.id
where image.image_key = $1::bigint
order by detection.source_number
limit $2::int
