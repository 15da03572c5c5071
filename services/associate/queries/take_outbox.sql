-- Take the next messages for Kafka, oldest first; they are there again if the transaction is undone.
--
-- $1  limit  int  [-]
-- Index: the primary key.
with taken as (
    delete from outbox
    where
        outbox.id in (
            select oldest.id
            from outbox as oldest
            order by oldest.id
            limit $1::int
        )
    returning outbox.id, outbox.topic, outbox.key, outbox.value
)

select
    taken.id,
    taken.topic,
    taken.key,
    taken.value
from taken
order by taken.id
