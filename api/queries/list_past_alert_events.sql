-- Return the newest alerts of some days with their events, the newest first.
--
-- $1  days   float8  [d]
-- $2  limit  int     [-]
-- Indexes: the primary key of alert, source_event (event_id).
select
    alert.id,
    alert.ivorn,
    alert.trig_id,
    alert.kind,
    alert.time_alert,
    source_event.event::text as event
from alert
inner join source_event on alert.event_id = source_event.event_id
where alert.time_alert > now() - $1::float8 * interval '1 day'
order by alert.id desc
limit $2::int
