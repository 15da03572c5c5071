-- Return how many alerts a family has: the revision of its next one.
--
-- $1  trig_id  text
-- Index: alert (trig_id).
select count(*) as revision
from alert
where alert.trig_id = $1::text
