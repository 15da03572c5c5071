-- Store events as they go to Kafka, and leave them for it, in their order.
--
-- $1  event_id       text[]
-- $2  transient_id   bigint[]
-- $3  kind           text[]
-- $4  time_detected  timestamptz[]
-- $5  event          text[]         JSON
-- $6  topic          text
-- $7  key            text[]
-- $8  value          bytea[]        Avro
with stored as (
    insert into source_event (event_id, transient_id, kind, time_detected, event)
    select
        row_in.event_id,
        row_in.transient_id,
        row_in.kind,
        row_in.time_detected,
        row_in.event::jsonb
    from
        unnest($1::text[], $2::bigint[], $3::text[], $4::timestamptz[], $5::text[])
        with ordinality as row_in (event_id, transient_id, kind, time_detected, event, place)
    order by row_in.place
)

insert into outbox (topic, key, value)
select
    $6::text as topic,
    message.key,
    message.value
from unnest($7::text[], $8::bytea[]) with ordinality as message (key, value, place)
order by message.place
