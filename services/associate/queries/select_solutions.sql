-- Return the solutions of those of some images that were corrected by it, and the centres of their fields.
--
-- $1  stream_id  int
-- $2  image_id   text[]  sha256
-- Index: the unique one on (stream_id, image_id).
select
    image.image_id,
    image.field_ra,
    image.field_dec,
    image.shift_east_arcsec,
    image.shift_north_arcsec,
    image.is_shift_applied,
    image.flux_factor,
    image.is_flux_factor_applied
from image
where
    image.stream_id = $1::int
    and image.image_id = any($2::text[])
    and (image.is_shift_applied or image.is_flux_factor_applied)
