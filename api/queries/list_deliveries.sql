-- Return the deliveries of an alert in order of time; of a family, those of its latest alert.
--
-- $1  id     bigint
-- $2  name   text    ivorn or trig_id, instead of the id
-- $3  limit  int     [-]
-- No row: no such alert. One row without a channel: no delivery yet.
-- Index: the primary keys of alert and delivery; those on ivorn and trig_id.
with chosen as (
    select
        alert.id,
        alert.ivorn
    from alert
    where alert.id = $1::bigint or alert.ivorn = $2::text or alert.trig_id = $2::text
    order by alert.id desc
    limit 1
)

select
    chosen.ivorn,
    delivery.channel,
    delivery.subscriber,
    delivery.time_sent as time_handed,
    delivery.time_acknowledged
from chosen
left join delivery on chosen.id = delivery.alert_id
order by delivery.time_sent, delivery.channel, delivery.subscriber
limit $3::int
