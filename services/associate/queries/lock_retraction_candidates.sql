-- Lock and return the new sources that one image alone has detected, of those with a forced
-- measurement in another band at the same time, with their last events.
--
-- $1  stream     text
-- $2  image_id   text      of the image that was measured
-- $3  source_id  bigint[]  with a forced measurement
-- $4  tolerance  interval  of the start times of a timestep's images
-- No measurement is read: the event has it, and a plan with all partitions of detection would take
-- longer than the rest.
-- Indexes: image (stream_id, image_id); transient (source_id, kind); primary keys of source and
-- image; source_event (transient_id, id).
select
    transient.source_id,
    image.freq_eff_hz,
    image.stokes,
    last_event.event::text as last_event
from stream
inner join image
    on
        stream.id = image.stream_id
        and image.image_id = $2::text
        and image.verdict = 'accepted'
inner join transient
    on
        stream.id = transient.stream_id
        and transient.source_id = any($3::bigint[])
        and transient.kind = 'new_source'
        and transient.state = 'active'
        and transient.time_start between image.time_start - $4::interval and image.time_start + $4::interval
-- n_datapoints counts every blind detection, those that two sources share too.
inner join source
    on
        transient.source_id = source.id
        and source.n_datapoints = 1
inner join image as first_detection
    on
        transient.image_key = first_detection.image_key
        and image.band_id <> first_detection.band_id
        and image.stokes = first_detection.stokes
cross join
    lateral (
        select source_event.event
        from source_event
        where source_event.transient_id = transient.id
        order by source_event.id desc
        limit 1
    ) as last_event
where stream.name = $1::text
order by transient.id
for update of transient
