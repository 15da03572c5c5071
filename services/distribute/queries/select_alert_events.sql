-- Return the events of alerts, and whether a subscription has an earlier alert of their family;
-- the event is null for what is about no source.
--
-- $1  alert_id  bigint[]
-- $2  name      text      of the subscription
-- Indexes: the primary keys of alert and delivery, alert (trig_id), source_event (event_id).
select
    alert.id,
    alert.trig_id,
    alert.time_alert,
    source_event.event::text as event,
    (
        select count(*) > 0
        from alert as earlier
        inner join delivery on earlier.id = delivery.alert_id
        where
            earlier.trig_id = alert.trig_id
            and earlier.id < alert.id
            and delivery.channel = 'subscription'
            and delivery.subscriber = $2::text
    ) as is_followed
from alert
left join source_event on alert.event_id = source_event.event_id
where alert.id = any($1::bigint[])
