-- Return the events of the episodes that began with an image, and those of sources that the limit calls
-- new and that wait for their look back.
--
-- $1  stream    text
-- $2  image_id  text
-- Indexes: image (stream_id, image_id), transient (image_key), source_event (event_id),
-- look_back (image_key) of those that wait.
(
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
)
union all
(
    select look_back.event::text as event
    from stream
    inner join image on stream.id = image.stream_id
    inner join look_back on image.image_key = look_back.image_key
    where
        stream.name = $1
        and image.image_id = $2
        and look_back.verdict is null
        and not look_back.is_overdue
        and look_back.is_new_by_limit
    order by look_back.source_id
)
