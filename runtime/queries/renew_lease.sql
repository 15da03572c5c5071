-- Use the connection that holds a lock, and record that its session has outlived the end of others.
--
-- $1  name    text
-- $2  holder  uuid
-- Index: the primary key.
update process_lease
set session_epoch = session_epoch()
where
    process_lease.name = $1::text
    and process_lease.holder = $2::uuid
    and process_lease.session_epoch is distinct from session_epoch()
