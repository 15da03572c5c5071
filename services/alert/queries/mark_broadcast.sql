-- Note that an alert was handed to the VTP subscribers.
--
-- $1  id  bigint
-- Index: the primary key.
update alert
set time_broadcast = now()
where alert.id = $1::bigint and alert.time_broadcast is null
