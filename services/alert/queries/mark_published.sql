-- Note that Kafka has acknowledged an alert.
--
-- $1  id  bigint
-- Index: the primary key.
update alert
set time_published = now()
where alert.id = $1::bigint and alert.time_published is null
