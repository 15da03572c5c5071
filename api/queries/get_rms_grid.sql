-- Return the rms grid of an image.
--
-- $1  id        bigint
-- $2  image_id  text    sha256, instead of the id
-- Index: the primary key; image_id without its stream is a scan of the index (stream_id, image_id).
select
    image.image_key as id,
    image.image_id,
    image.width_px,
    image.height_px,
    image.margin_px,
    image.rms_grid_cell_px as cell_px,
    image.rms_grid_columns as n_columns,
    image.rms_grid as rms_jy_beam,
    image.detection_threshold_sigma,
    image.wcs_header
from image
where
    image.image_key = $1::bigint
    or image.image_id = $2::text
order by image.image_key
limit 1
