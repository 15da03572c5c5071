-- Return the events of the episodes that began with an image.
--
-- $1  stream    text
-- $2  image_id  text
-- Indexes: image (stream_id, image_id), transient (image_key), source_event (event_id).
select source_event.event::text as event
from stream
inner join image on stream.id = image.stream_id
inner join transient on image.image_key = transient.image_key
inner join source_event on transient.event_id = source_event.event_id
where
    stream.name = $1::text
    and image.image_id = $2::text
    and source_event.event ->> 'image_id' = $2::text
order by source_event.id
