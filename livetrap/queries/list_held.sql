-- Return the held events that nobody has let out, oldest first.
--
-- $1  limit  int  [-]
-- Index: held_event (time_held).
select
    held_event.event_id,
    held_event.trig_id,
    held_event.stream,
    held_event.image_id,
    held_event.because,
    held_event.time_held,
    held_event.event ->> 'snr' as snr
from held_event
where held_event.time_released is null
order by held_event.time_held, held_event.event_id
limit $1::int
