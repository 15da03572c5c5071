-- Return the deepest earlier images of a channel whose field may touch a field.
--
-- $1  band_id     int
-- $2  stokes      text
-- $3  field_ra    float8  [deg]
-- $4  field_dec   float8  [deg]
-- $5  radius_deg  float8  [deg]
-- Index: the primary key.
select
    image.wcs_header,
    image.width_px,
    image.height_px,
    image.rms_grid_columns,
    image.rms_grid
from deepest_look
inner join image on deepest_look.image = image.id
where
    deepest_look.band_id = $1::int
    and deepest_look.stokes = $2::text
    and sind(image.field_dec) * sind($4::float8)
    + cosd(image.field_dec) * cosd($4::float8) * cosd(image.field_ra - $3::float8)
    >= cosd(least(180, image.field_radius_deg + $5::float8)) - 1e-12
order by deepest_look.rms_jy_beam, image.id
