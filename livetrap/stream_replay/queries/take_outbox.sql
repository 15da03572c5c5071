-- Take the messages of a stream from the outbox, before the transaction that left them there ends.
--
-- $1  stream  text
-- $2  topic   text[]  of the messages that are taken
-- Index: the primary key; the outbox is short.
with taken as (
    delete from outbox
    where
        outbox.topic = any($2::text[])
        and (outbox.key = $1::text or starts_with(outbox.key, $1 || ':'))
    returning outbox.id, outbox.topic, outbox.value
)

select
    taken.topic,
    taken.value
from taken
order by taken.id
