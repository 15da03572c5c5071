-- Release suppressed events and return them, except those of retracted transients.
--
-- $1  name      text  event_id or trig_id
-- $2  image_id  text  all of an image
-- One of the two is null.
update suppressed_event
set time_released = now()
where
    suppressed_event.time_released is null
    and (
        suppressed_event.event_id = $1::text
        or suppressed_event.trig_id = $1
        or suppressed_event.image_id = $2::text
    )
    and not exists (
        select 1 from transient
        where
            transient.id = (suppressed_event.event ->> 'transient_id')::bigint
            and transient.state = 'retracted'
    )
returning suppressed_event.event::text as event
