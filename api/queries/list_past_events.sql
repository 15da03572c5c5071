-- Return the newest events of some days, the newest first, and what became of each.
--
-- $1  days   float8  [d]
-- $2  limit  int     [-]
-- was_alerted_before: an alert of its transient is older than these days.
-- Indexes: source_event (time_detected), alert (event_id), alert (trig_id).
with recent as (
    select
        source_event.id,
        source_event.event_id,
        source_event.time_detected,
        source_event.event
    from source_event
    where source_event.time_detected > now() - $1::float8 * interval '1 day'
    order by source_event.time_detected desc, source_event.id desc
    limit $2::int
)

select
    recent.event_id,
    recent.time_detected,
    recent.event::text as event,
    alert.id is not null as was_alerted,
    (recent.event ->> 'trig_id') in (
        select earlier.trig_id from alert as earlier
        where
            earlier.trig_id = recent.event ->> 'trig_id'
            and earlier.time_alert < (select min(first.time_detected) from recent as first)
    ) as was_alerted_before
from recent
left join alert on recent.event_id = alert.event_id
order by recent.time_detected desc, recent.id desc
