-- Note that Kafka has acknowledged an alert.
--
-- $1  id  bigint
-- Index: the primary key.
with published as (
    update alert
    set time_published = now()
    where alert.id = $1::bigint and alert.time_published is null
    returning
        alert.id,
        alert.time_alert
)

insert into delivery (alert_id, channel, subscriber, time_handed, time_acknowledged)
select
    published.id,
    'kafka' as channel,
    'both topics' as subscriber,
    published.time_alert,
    now() as time_acknowledged
from published
on conflict (alert_id, channel, subscriber) do nothing
