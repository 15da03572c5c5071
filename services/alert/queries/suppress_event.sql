-- Store an event that an operator has to release; one that is stored already stays as it is.
--
-- $1  event_id  text
-- $2  trig_id   text
-- $3  stream    text
-- $4  image_id  text
-- $5  storm     text
-- $6  reason    text
-- $7  event     text  JSON
-- Index: the primary key.
insert into suppressed_event (event_id, trig_id, stream, image_id, storm, reason, event)
values ($1::text, $2::text, $3::text, $4::text, $5::text, $6::text, $7::text::jsonb)
on conflict (event_id) do nothing
