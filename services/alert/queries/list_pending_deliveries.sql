-- Return the alerts behind a channel's cursor, oldest first, up to the first that is under way.
--
-- Never beyond it: ids count up, so the cursor cannot pass an alert that comes later.
--
-- $1  channel  text
-- $2  name     text
-- $3  longest  interval  older ones are of no use
-- $4  limit    int       [-]
-- Indexes: the primary keys of alert and subscriber, the partial one on alert (id).
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
    and alert.id < coalesce(
        (
            select min(under_way.id)
            from alert as under_way
            where under_way.time_broadcast is null
        ),
        9223372036854775807
    )
order by alert.id
limit $4::int
