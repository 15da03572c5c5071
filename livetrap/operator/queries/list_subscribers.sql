-- Return the subscribers with a name, with counts of acknowledged alerts.
--
-- Index: the primary key of delivery is scanned.
select
    subscriber.channel,
    subscriber.name,
    subscriber.n_failures,
    subscriber.n_refusals,
    subscriber.disabled_reason,
    subscriber.failure_reason,
    subscriber.time_failed,
    subscriber.time_created,
    count(delivery.time_acknowledged) as n_acknowledged,
    max(delivery.time_acknowledged) as last_acknowledged
from subscriber
left join delivery
    on
        subscriber.channel = delivery.channel
        and subscriber.name = delivery.subscriber
group by subscriber.channel, subscriber.name
order by subscriber.channel, subscriber.name
