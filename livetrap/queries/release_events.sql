-- Let held events out and return them, but for those of what was taken back meanwhile.
--
-- $1  name      text  event_id or trig_id
-- $2  image_id  text  all of an image
-- One of the two is null.
update held_event
set time_released = now()
where
    held_event.time_released is null
    and (held_event.event_id = $1::text or held_event.trig_id = $1 or held_event.image_id = $2::text)
    and not exists (
        select 1 from transient
        where
            transient.id = (held_event.event ->> 'transient_id')::bigint
            and transient.state = 'retracted'
    )
returning held_event.event::text as event
