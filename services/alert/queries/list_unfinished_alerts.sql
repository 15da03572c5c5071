-- Return the alerts that are stored but not on Kafka or not on VTP yet, oldest first.
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
    alert.time_broadcast is not null as is_broadcast,
    alert.latency_s
from alert
where alert.time_published is null or alert.time_broadcast is null
order by alert.id
