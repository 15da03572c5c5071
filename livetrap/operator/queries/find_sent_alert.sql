-- Return the ivorn of an event's alert, once Kafka has it.
--
-- $1  event_id  text
-- Index: the unique one on event_id.
select alert.ivorn
from alert
where alert.event_id = $1::text and alert.time_published is not null
