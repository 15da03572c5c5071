-- Record that both alert topics have alerts; the first time of each is kept.
--
-- $1  id              bigint[]
-- $2  time_published  timestamptz
-- Index: the primary key.
with published as (
    update alert
    set time_published = coalesce(alert.time_published, $2::timestamptz)
    where alert.id = any($1::bigint[])
    returning
        alert.id,
        alert.time_alert,
        alert.time_published
)

insert into delivery (alert_id, channel, subscriber, time_sent, time_acknowledged)
select
    published.id,
    'kafka' as channel,
    'both topics' as subscriber,
    least(published.time_alert, published.time_published) as time_sent,
    published.time_published as time_acknowledged
from published
on conflict (alert_id, channel, subscriber) do nothing
