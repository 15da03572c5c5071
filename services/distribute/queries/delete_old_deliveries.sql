-- Delete the deliveries of alerts that are older, a few at a time.
--
-- $1  max_age  interval
-- $2  limit    int       [-]
-- Indexes: the primary keys of alert and delivery.
delete from delivery
where (delivery.alert_id, delivery.channel, delivery.subscriber) in (
    select
        old.alert_id,
        old.channel,
        old.subscriber
    from delivery as old
    inner join alert on old.alert_id = alert.id
    where alert.time_alert < now() - $1::interval
    order by old.alert_id
    limit $2::int
)
