-- Return a page of images, the last associated first, or one image.
--
-- $1  id         bigint  this one only
-- $2  image_id   text    sha256, instead of the id
-- $3  before_id  bigint  last of the previous page
-- $4  limit      int     [-]
-- Null leaves a filter out; list_images_filtered has more of them.
-- Index: the primary key, by bounds that any plan can use; the unique one on (stream_id, image_id).
with wanted as (
    select
        coalesce(min(image.image_key), 0) as first_id,
        coalesce(max(image.image_key), -1) as last_id
    from image
    where image.image_id = $2::text
)

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
    image.image_key
    >= case when $2 is null then coalesce($1::bigint, 0) else (select wanted.first_id from wanted) end
    and image.image_key
    <= case
        when $2 is null then coalesce($1, 9223372036854775807) else (select wanted.last_id from wanted)
    end
    and image.image_key < coalesce($3::bigint, 9223372036854775807)
order by image.image_key desc
limit $4::int
