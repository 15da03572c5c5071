-- Delete messages that Kafka has.
--
-- $1  id  bigint[]
-- Index: the primary key.
delete from outbox
where outbox.id = any($1::bigint[])
