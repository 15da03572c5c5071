-- Return the next alerts of a replay, oldest first.
--
-- $1  time_since       timestamptz
-- $2  time_until      timestamptz
-- $3  since_alert_id  bigint
-- $4  limit           int          [-]
-- Index: the primary key.
select
    alert.id,
    alert.time_alert,
    alert.ivorn,
    alert.voevent,
    alert.notice::text as notice
from alert
where
    alert.id > $3::bigint
    and alert.time_alert >= $1::timestamptz
    and alert.time_alert < $2::timestamptz
    and alert.role <> 'test'
order by alert.id
limit $4::int
