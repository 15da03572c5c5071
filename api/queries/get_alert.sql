-- Return an alert as it went out.
--
-- $1  id     bigint
-- $2  ivorn  text    the other way to name it
-- Index: the primary key; the unique one on ivorn.
select
    alert.notice::text as notice,
    alert.voevent
from alert
where alert.id = $1::bigint or alert.ivorn = $2::text
