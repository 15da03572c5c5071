-- Record that the holder of a lock has ended its work: nothing that it sent is on its way.
--
-- $1  name    text
-- $2  holder  uuid
-- Index: the primary key.
update process_lease
set holder = null
where process_lease.name = $1::text and process_lease.holder = $2::uuid
