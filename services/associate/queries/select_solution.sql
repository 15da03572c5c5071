-- Return the solution of an image that was corrected by it, and the centre of its field.
--
-- $1  stream    text
-- $2  image_id  text  sha256
-- Index: the unique one on (stream_id, image_id).
select
    image.field_ra,
    image.field_dec,
    image.shift_east_arcsec,
    image.shift_north_arcsec,
    image.is_shift_applied,
    image.flux_factor,
    image.is_flux_factor_applied
from stream
inner join image on stream.id = image.stream_id
where
    stream.name = $1::text
    and image.image_id = $2::text
    and (image.is_shift_applied or image.is_flux_factor_applied)
