-- Return the VOEvent of an alert; of a trig_id, that of its latest alert.
--
-- $1  name  text  ivorn or trig_id
-- Indexes: alert (trig_id), the unique one on ivorn.
select alert.voevent
from alert
where alert.ivorn = $1::text or alert.trig_id = $1
order by alert.id desc
limit 1
