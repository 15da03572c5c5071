-- Store an event as it goes to Kafka.
--
-- $1  event_id       text
-- $2  transient_id   bigint
-- $3  kind           text
-- $4  time_detected  timestamptz
-- $5  event          text         JSON
insert into source_event (event_id, transient_id, kind, time_detected, event)
values ($1::text, $2::bigint, $3::text, $4::timestamptz, $5::text::jsonb)
