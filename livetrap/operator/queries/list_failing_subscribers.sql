-- Return the receivers that an alert could not be delivered to at the last attempt.
--
-- Index: the table is scanned, a row a receiver.
select
    subscriber.channel,
    subscriber.name,
    subscriber.n_failures,
    subscriber.n_refusals,
    coalesce(subscriber.disabled_reason, subscriber.failure_reason) as reason,
    subscriber.time_failed,
    subscriber.disabled_reason is not null as is_disabled
from subscriber
where subscriber.time_failed is not null
order by subscriber.time_failed
