-- Return the last images of a band from before a time whose fields overlap a field,
-- and some images by their keys; in the order of their time.
--
-- $1  band_id           int
-- $2  stokes            text
-- $3  before            timestamptz  start of the exposure, exclusive
-- $4  limit             int          [-]
-- $5  field_ra          float8       [deg]
-- $6  field_dec         float8       [deg]
-- $7  field_radius_deg  float8       [deg]
-- $8  image_key         bigint[]
-- Indexes: image (band_id, stokes, time_start); the primary key.
with latest as (
    select
        image.image_key,
        image.time_start,
        image.field_ra,
        image.field_dec,
        image.field_radius_deg
    from image
    where
        image.band_id = $1::int
        and image.stokes = $2::text
        and image.time_start < $3::timestamptz
        and image.verdict = 'accepted'
    order by image.time_start desc, image.image_key desc
    limit 200
),

overlapping as (
    select latest.image_key
    from latest
    where
        sind((latest.field_dec - $6::float8) / 2) ^ 2
        + cosd(latest.field_dec) * cosd($6) * sind((latest.field_ra - $5::float8) / 2) ^ 2
        <= sind(least(180, latest.field_radius_deg + $7::float8) / 2) ^ 2
    order by latest.time_start desc, latest.image_key desc
    limit $4::int
)

select
    image.image_key,
    image.image_id,
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
    image.wcs_header,
    image.telescope,
    image.margin_px,
    image.kafka_cluster_id,
    image.kafka_topic,
    image.kafka_partition,
    image.kafka_offset,
    image.shift_east_arcsec,
    image.shift_north_arcsec,
    image.is_shift_applied,
    image.flux_factor,
    image.is_flux_factor_applied,
    image.is_late
from image
where
    -- By keys: with an "or" all images from before the time would be read.
    image.image_key = any(array(select overlapping.image_key from overlapping) || $8::bigint[])
    and image.time_start < $3
order by image.time_start, image.image_key
