-- Return the suppressed events that are neither released nor retracted, oldest first.
--
-- $1  limit  int  [-]
-- Indexes: suppressed_event (time_suppressed), primary key of transient.
select
    suppressed_event.event_id,
    suppressed_event.trig_id,
    suppressed_event.stream,
    suppressed_event.image_id,
    suppressed_event.reason,
    suppressed_event.time_suppressed,
    suppressed_event.event ->> 'snr' as snr
from suppressed_event
where
    suppressed_event.time_released is null
    and not exists (
        select 1 from transient
        where
            transient.id = (suppressed_event.event ->> 'transient_id')::bigint
            and transient.state = 'retracted'
    )
order by suppressed_event.time_suppressed, suppressed_event.event_id
limit $1::int
