-- Return the deepest earlier images of a band and Stokes parameter in cells of the sky.
--
-- $1  band_id  int
-- $2  stokes   text
-- $3  cell     bigint[]
-- Index: the primary key.
select
    image.image_key,
    image.wcs_header,
    image.width_px,
    image.height_px,
    coalesce(image.margin_px, 0) as margin_px,
    image.detection_threshold_sigma,
    image.rms_grid_columns,
    image.rms_grid,
    image.time_start,
    image.is_late
from image
where
    image.image_key in (
        select sky_coverage.image_key
        from sky_coverage
        where
            sky_coverage.band_id = $1::int
            and sky_coverage.stokes = $2::text
            and sky_coverage.cell = any($3::bigint[])
    )
order by image.image_key
