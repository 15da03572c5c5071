-- Return the next messages for Kafka, oldest first.
--
-- $1  limit  int  [-]
-- Index: the primary key.
select
    outbox.id,
    outbox.topic,
    outbox.key,
    outbox.value
from outbox
order by outbox.id
limit $1::int
