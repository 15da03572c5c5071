-- Return the alerts behind the position of a channel, oldest first.
--
-- Rows become visible in the order of their ids (`lock_alerts` of the alert service), so that
-- the position never passes an alert that appears later.
--
-- $1  channel  text
-- $2  name     text
-- $3  max_age  interval
-- $4  limit    int       [-]
-- Indexes: the primary keys of alert and subscriber.
select
    alert.id,
    alert.time_alert <= now() - $3::interval as is_old,
    alert.ivorn,
    alert.voevent,
    alert.notice::text as notice
from alert
where
    alert.id > (
        select subscriber.since_alert_id
        from subscriber
        where subscriber.channel = $1::text and subscriber.name = $2::text
    )
order by alert.id
limit $4::int
