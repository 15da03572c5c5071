-- Remember where the alert topics ended before an alert was first sent.
--
-- $1  id             bigint
-- $2  low_watermark  text    JSON, offset by "topic/partition"
-- Index: the primary key.
update alert
set kafka_low_watermark = $2::text::jsonb
where alert.id = $1::bigint and alert.kafka_low_watermark is null
