-- Return a page of images, newest first.
--
-- $1  id          bigint       this one only
-- $2  image_id    text         sha256, instead of the id
-- $3  since       timestamptz
-- $4  until       timestamptz
-- $5  stream      text
-- $6  verdict     text
-- $7  before_id   bigint       last of the previous page
-- $8  limit       int          [-]
-- Null leaves a filter out.
-- Index: the primary key; the unique one on (stream_id, image_id).
select
    image.image_key as id,
    image.image_id,
    stream.name as stream,
    image.verdict,
    image.reasons,
    image.reason_text,
    image.warnings,
    image.time_start,
    image.exposure_s,
    image.freq_eff_hz,
    image.freq_bw_hz,
    image.stokes,
    image.beam_major_deg,
    image.beam_minor_deg,
    image.beam_pa_deg,
    image.field_ra,
    image.field_dec,
    image.field_radius_deg,
    image.width_px,
    image.height_px,
    image.telescope,
    image.rms_jy_beam,
    image.n_sources,
    image.is_late,
    image.shift_status,
    image.n_shift_sources,
    image.shift_east_arcsec,
    image.shift_north_arcsec,
    image.shift_err_arcsec,
    image.is_shift_applied,
    image.flux_status,
    image.n_flux_sources,
    image.flux_factor,
    image.flux_factor_err,
    image.is_flux_factor_applied,
    image.time_sent,
    image.time_appended,
    image.time_extracted,
    image.time_associated
from image
inner join stream on image.stream_id = stream.id
where
    ($1::bigint is null or image.image_key = $1)
    and ($2::text is null or image.image_id = $2)
    and ($3::timestamptz is null or image.time_start >= $3)
    and ($4::timestamptz is null or image.time_start < $4)
    and ($5::text is null or stream.name = $5)
    and ($6::text is null or image.verdict = $6)
    and ($7::bigint is null or image.image_key < $7)
order by image.image_key desc
limit $8::int
