-- Return an alert as it was sent; of a family, the latest.
--
-- $1  id    bigint
-- $2  name  text    ivorn or trig_id, instead of the id
-- Index: the primary key; those on ivorn and trig_id.
select
    alert.notice::text as notice,
    alert.voevent,
    alert.trig_id
from alert
where alert.id = $1::bigint or alert.ivorn = $2::text or alert.trig_id = $2::text
order by alert.id desc
limit 1
