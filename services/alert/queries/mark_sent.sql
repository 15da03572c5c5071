-- Note that Kafka has acknowledged alerts, and that the VTP subscribers were given them.
--
-- $1  id              bigint[]
-- $2  time_published  timestamptz
-- Index: the primary key.
with sent as (
    update alert
    set
        time_published = coalesce(alert.time_published, $2::timestamptz),
        time_broadcast = coalesce(alert.time_broadcast, now())
    where alert.id = any($1::bigint[])
    returning
        alert.id,
        alert.time_alert,
        alert.time_published
)

insert into delivery (alert_id, channel, subscriber, time_sent, time_acknowledged)
select
    sent.id,
    'kafka' as channel,
    'both topics' as subscriber,
    least(sent.time_alert, sent.time_published) as time_sent,
    sent.time_published as time_acknowledged
from sent
on conflict (alert_id, channel, subscriber) do nothing
