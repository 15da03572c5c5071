-- Lock and return new sources that may be contradicted, of those with a forced measurement in another
-- image, with their last events.
--
-- $1  stream_id       int
-- $2  image_id        text      of the image that was measured
-- $3  source_id       bigint[]  with a forced measurement
-- $4  tolerance       interval  of the start times of a timestep's images
-- $5  longest_wait    interval  after which a new source is judged no more
-- No measurement is read: the event has it, and a plan with all partitions of detection would take
-- longer than the rest.
-- Indexes: image (stream_id, image_id); transient (source_id, episode); primary key of image;
-- source_event (transient_id, id).
select
    transient.source_id,
    first_detection.band_id,
    first_detection.time_start,
    first_detection.exposure_s,
    last_event.event::text as last_event
from image
inner join transient
    on
        image.stream_id = transient.stream_id
        and transient.source_id = any($3::bigint[])
        and transient.kind = 'new_source'
        and transient.state = 'active'
        and not transient.is_judged
        and transient.time_start between image.time_start - $5::interval and image.time_start + $4::interval
inner join image as first_detection
    on
        transient.image_key = first_detection.image_key
        and first_detection.stokes = 'I'
cross join
    lateral (
        select source_event.event
        from source_event
        where source_event.transient_id = transient.id
        order by source_event.id desc
        limit 1
    ) as last_event
where
    image.stream_id = $1::int
    and image.image_id = $2::text
    and image.verdict = 'accepted'
order by transient.id
for update of transient
