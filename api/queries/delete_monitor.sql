-- Delete a monitor; its light curve stays.
--
-- $1  id  bigint
-- Index: the primary key.
delete from monitor
where monitor.id = $1::bigint
returning monitor.id
