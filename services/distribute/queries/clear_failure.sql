-- Forget the failures of a subscriber, unless it is disabled; its refusals only a delivery ends.
--
-- $1  channel  text
-- $2  name     text
-- Index: the primary key.
update subscriber
set
    n_failures = least(subscriber.n_failures, subscriber.n_refusals),
    failure_reason = null,
    time_failed = null
where
    subscriber.channel = $1::text
    and subscriber.name = $2::text
    and subscriber.disabled_reason is null
