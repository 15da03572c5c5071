-- Return the streams with counts of images, sources and transients.
--
-- $1  name  text  this one alone; null for all
-- Indexes: image (stream_id, image_id), source (stream_id, ...), timestep (stream_id, time_start).
select
    stream.id,
    stream.name,
    stream.closed_until as last_time_start,
    (
        select min(timestep.time_start) from timestep
        where timestep.stream_id = stream.id
    ) as first_time_start,
    (
        select count(*) from timestep
        where timestep.stream_id = stream.id
    ) as n_timesteps,
    (
        select count(*) from image
        where image.stream_id = stream.id
    ) as n_images,
    (
        select count(*) from image
        where image.stream_id = stream.id and image.verdict = 'rejected'
    ) as n_rejected,
    (
        select count(*) from source
        where source.stream_id = stream.id
    ) as n_sources,
    (
        select count(*) from transient
        where transient.stream_id = stream.id
    ) as n_transients,
    (
        select coalesce(sum(pg_total_relation_size(month.relid)), 0)::bigint
        from pg_partition_tree(to_regclass('detection_s' || stream.id)) as month
    ) as detection_bytes
from stream
where $1::text is null or stream.name = $1
order by stream.name
