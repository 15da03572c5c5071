-- Return the accepted images of each field with their times; images of the same place are of one field.
--
-- $1  stream   text
-- $2  band_id  int
-- $3  stokes   text
-- $4  since    timestamptz
-- $5  until    timestamptz
-- $6  limit    int          newest images at most [-]
-- Null leaves a filter out.
-- Index: image (time_start desc, image_key desc), in its order.
with chosen as (
    select
        image.wcs_header,
        image.width_px,
        image.height_px,
        image.field_radius_deg,
        coalesce(image.margin_px, 0) as margin_px,
        image.time_start,
        coalesce(image.exposure_s, 0) as exposure_s
    from image
    inner join stream on image.stream_id = stream.id
    where
        image.verdict = 'accepted'
        and image.wcs_header is not null
        and image.field_radius_deg is not null
        and ($1::text is null or stream.name = $1)
        and ($2::int is null or image.band_id = $2)
        and ($3::text is null or image.stokes = $3)
        and ($4::timestamptz is null or image.time_start >= $4)
        and ($5::timestamptz is null or image.time_start < $5)
    order by image.time_start desc, image.image_key desc
    limit $6::int
)

select
    chosen.wcs_header,
    chosen.width_px,
    chosen.height_px,
    chosen.margin_px,
    max(chosen.field_radius_deg) as field_radius_deg,
    array_agg(chosen.time_start) as starts,
    array_agg(chosen.exposure_s) as lengths_s
from chosen
group by chosen.wcs_header, chosen.width_px, chosen.height_px, chosen.margin_px
order by min(chosen.time_start), chosen.wcs_header
