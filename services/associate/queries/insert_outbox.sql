-- Leave messages for Kafka, in their order.
--
-- $1  topic  text[]
-- $2  key    text[]   the message's key: the partition follows from it
-- $3  value  bytea[]  Avro
insert into outbox (topic, key, value)
select
    message.topic,
    message.key,
    message.value
from unnest($1::text[], $2::text[], $3::bytea[]) with ordinality as message (topic, key, value, place)
order by message.place
