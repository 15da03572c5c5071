-- Delete images that are older than the retention, with the reasons of their missing forced fluxes,
-- and return how many. Those stay that a measurement, a source, a transient or the new-source test
-- refers to: measurements have a retention of their own.
--
-- $1  retention  interval
-- $2  limit      int       [-]
-- Indexes: image (time_start, image_key); the primary keys of detection and forced_gap. Sources and
-- transients are read whole, once an hour.
with expired as (
    select
        image.stream_id,
        image.image_key
    from stream
    inner join image on stream.id = image.stream_id
    where
        image.time_start < stream.closed_until - $1::interval
        and not exists (
            select
            from sky_coverage
            where sky_coverage.image_key = image.image_key
        )
        and not exists (
            select
            from source
            where source.first_image_key = image.image_key
        )
        and not exists (
            select
            from transient
            where transient.image_key = image.image_key
        )
        and not exists (
            select
            from detection
            where
                detection.stream_id = image.stream_id
                and detection.time_start = image.time_start
                and detection.image_key = image.image_key
        )
    order by image.time_start
    limit $2::int
),

without_gaps as (
    delete from forced_gap
    using expired
    where
        forced_gap.stream_id = expired.stream_id
        and forced_gap.image_key = expired.image_key
),

deleted as (
    delete from image
    using expired
    where image.image_key = expired.image_key
    returning image.image_key
)

select count(*) as n_images from deleted
