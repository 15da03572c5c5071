-- Return who was sent an alert and who acknowledged it, in order of time; of a trig_id, its
-- latest alert.
--
-- $1  name  text  ivorn, trig_id or number
-- No row: no such alert. One row without a channel: it was sent to no subscriber yet.
-- Indexes: the primary keys of alert and delivery; those on ivorn and trig_id.
with chosen as (
    select
        alert.id,
        alert.ivorn
    from alert
    where
        alert.ivorn = $1::text
        or alert.trig_id = $1
        or alert.id = case when $1 ~ '^\d{1,18}$' then $1::bigint end
    order by alert.id desc
    limit 1
)

select
    chosen.ivorn,
    delivery.channel,
    delivery.subscriber,
    delivery.time_sent,
    delivery.time_acknowledged
from chosen
left join delivery on chosen.id = delivery.alert_id
order by delivery.time_sent, delivery.channel, delivery.subscriber
