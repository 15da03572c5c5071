-- Return a page of accepted images whose field may cover a position, newest first.
--
-- $1  ra               float8       [deg]
-- $2  dec              float8       [deg]
-- $3  stream           text
-- $4  since            timestamptz
-- $5  until            timestamptz
-- $6  after_time       timestamptz  $6 and $7: key of the last of the previous page
-- $7  after_image_key  bigint
-- $8  limit            int          [-]
-- Null leaves a condition out.
-- Index: image (time_start desc, image_key desc), in its order.
select
    image.image_key,
    image.image_id,
    stream.name as stream,
    image.time_start,
    image.exposure_s,
    image.freq_eff_hz,
    image.freq_bw_hz,
    image.stokes,
    image.width_px,
    image.height_px,
    coalesce(image.margin_px, 0) as margin_px,
    image.detection_threshold_sigma,
    image.rms_grid_columns,
    image.rms_grid,
    image.wcs_header
from image
inner join stream on image.stream_id = stream.id
where
    image.verdict = 'accepted'
    and image.rms_grid_columns > 0
    and image.wcs_header is not null
    and sind((image.field_dec - $2::float8) / 2) ^ 2
    + cosd(image.field_dec) * cosd($2::float8) * sind((image.field_ra - $1::float8) / 2) ^ 2
    <= sind(least(image.field_radius_deg, 180) / 2) ^ 2 + 1e-15
    and ($3::text is null or stream.name = $3)
    and ($4::timestamptz is null or image.time_start >= $4)
    and ($5::timestamptz is null or image.time_start < $5)
    and (
        $6::timestamptz is null
        or (image.time_start, image.image_key) < ($6, $7::bigint)
    )
order by image.time_start desc, image.image_key desc
limit $8::int
