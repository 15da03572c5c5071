-- Return the last images of a band from before a time whose fields hold a position, latest first, and
-- the deepest: of them all, or of the last ones where a later image is deeper in the cell of the sky.
--
-- $1  band_id  int
-- $2  stokes   text
-- $3  before   timestamptz  start of the exposure, exclusive
-- $4  ra       float8       [deg]
-- $5  dec      float8       [deg]
-- $6  cell     bigint[]     cells of the sky around the position
-- $7  limit    int          [-]
-- Indexes: image (band_id, stokes, time_start); the primary keys.
with latest as (
    select
        image.image_key,
        image.time_start,
        image.rms_jy_beam,
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

around as (
    select
        latest.image_key,
        latest.time_start,
        latest.rms_jy_beam
    from latest
    where
        sind((latest.field_dec - $5::float8) / 2) ^ 2
        + cosd(latest.field_dec) * cosd($5) * sind((latest.field_ra - $4::float8) / 2) ^ 2
        <= sind(least(180, latest.field_radius_deg) / 2) ^ 2
),

last_around as (
    select around.image_key
    from around
    order by around.time_start desc, around.image_key desc
    limit $7::int
),

deepest_around as (
    select around.image_key
    from around
    order by around.rms_jy_beam, around.image_key
    limit 1
),

deepest as (
    select sky_coverage.image_key
    from sky_coverage
    where
        sky_coverage.band_id = $1
        and sky_coverage.stokes = $2
        and sky_coverage.cell = any($6::bigint[])
)

select
    image.image_key,
    image.image_id,
    image.time_start,
    image.freq_eff_hz,
    image.stokes,
    image.rms_jy_beam,
    image.wcs_header,
    image.width_px,
    image.height_px,
    image.kafka_cluster_id,
    image.kafka_topic,
    image.kafka_partition,
    image.kafka_offset
from image
where
    -- By keys: with an "or" all images from before the time would be read.
    image.image_key = any(
        array(select last_around.image_key from last_around)
        || array(select deepest_around.image_key from deepest_around)
        || array(select deepest.image_key from deepest)
    )
    and image.time_start < $3
order by image.time_start desc, image.image_key desc
