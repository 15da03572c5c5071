-- Return the held events that nobody has let out or taken back, oldest first.
--
-- $1  limit  int  [-]
-- Indexes: held_event (time_held), primary key of transient.
select
    held_event.event_id,
    held_event.trig_id,
    held_event.stream,
    held_event.image_id,
    held_event.because,
    held_event.time_held,
    held_event.event ->> 'snr' as snr
from held_event
where
    held_event.time_released is null
    and not exists (
        select 1 from transient
        where
            transient.id = (held_event.event ->> 'transient_id')::bigint
            and transient.state = 'retracted'
    )
order by held_event.time_held, held_event.event_id
limit $1::int
