-- Add a message to the outbox, which the associator sends to Kafka.
--
-- $1  topic  text
-- $2  key    text
-- $3  value  bytea
insert into outbox (topic, key, value)
values ($1::text, $2::text, $3::bytea)
