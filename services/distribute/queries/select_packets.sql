-- Return the VOEvents of some alerts, in the order of insertion.
--
-- $1  id  bigint[]
-- Index: the primary key of alert.
select
    alert.ivorn,
    alert.voevent
from alert
where alert.id = any($1::bigint[])
order by alert.id
