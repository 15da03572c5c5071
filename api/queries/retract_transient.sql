-- Retract a transient that is locked: its state, its event, and the message for Kafka.
--
-- $1  transient_id       bigint
-- $2  retraction_reason  text
-- $3  event_id           text
-- $4  event              text   JSON
-- $5  topic              text
-- $6  key                text
-- $7  value              bytea  Avro
-- Index: the primary key.
with retracted as (
    update transient
    set
        state = 'retracted',
        retraction_reason = $2::text
    where transient.id = $1::bigint
),

kept as (
    insert into source_event (event_id, transient_id, kind, time_detected, event)
    values ($3::text, $1::bigint, 'retraction', now(), $4::text::jsonb)
)

insert into outbox (topic, key, value)
values ($5::text, $6::text, $7::bytea)
returning outbox.id
