-- Return the alerts that are stored and not known to be on Kafka, oldest first.
--
-- Index: the partial one on alert (id).
select
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
where alert.time_published is null
order by alert.id
