-- Return the newest alerts that a subscriber has not acknowledged, oldest first.
--
-- A stored alert counts, whether Kafka has it yet or not: it is final.
--
-- $1  channel  text
-- $2  name     text
-- $3  max_age  interval
-- $4  limit    int       [-]
-- Indexes: the primary keys of alert, subscriber and delivery.
select
    newest.ivorn,
    newest.voevent
from (
    select
        alert.id,
        alert.ivorn,
        alert.voevent
    from subscriber
    inner join alert
        on subscriber.since_alert_id < alert.id and alert.time_alert > now() - $3::interval
    left join delivery
        on
            alert.id = delivery.alert_id
            and subscriber.channel = delivery.channel
            and subscriber.name = delivery.subscriber
            and delivery.time_acknowledged is not null
    where
        subscriber.channel = $1::text
        and subscriber.name = $2::text
        and delivery.alert_id is null
    order by alert.id desc
    limit $4::int
) as newest
order by newest.id
