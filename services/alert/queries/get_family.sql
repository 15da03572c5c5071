-- Return how many alerts a family has, the revision of its next one, and the last one's role.
--
-- $1  trig_id  text
-- Index: alert (trig_id).
select
    count(*)::int as revision,
    (array_agg(alert.role order by alert.revision desc))[1] as role
from alert
where alert.trig_id = $1::text
