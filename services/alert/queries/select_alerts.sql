-- Return the alerts that events have already.
--
-- $1  event_id  text[]
-- Index: the unique one on event_id.
select
    alert.event_id,
    alert.id,
    alert.ivorn,
    alert.trig_id,
    alert.role,
    alert.voevent,
    alert.notice::text as notice,
    alert.kafka_low_watermark::text as low_watermark,
    alert.time_published is not null as is_published,
    alert.latency_s,
    alert.avro_packet
from alert
where alert.event_id = any($1::text[])
