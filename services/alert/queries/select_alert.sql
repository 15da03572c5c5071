-- Return the alert of an event, if the event was alerted before.
--
-- $1  event_id  text
-- Index: the unique one on event_id.
select
    alert.id,
    alert.ivorn,
    alert.trig_id,
    alert.role,
    alert.voevent,
    alert.notice::text as notice,
    alert.kafka_low_watermark::text as low_watermark,
    alert.time_published is not null as is_published,
    alert.time_broadcast is not null as is_broadcast,
    alert.latency_s
from alert
where alert.event_id = $1::text
