-- Forget the failures of a subscriber, unless it is disabled.
--
-- $1  channel  text
-- $2  name     text
-- Index: the primary key.
update subscriber
set
    n_failures = 0,
    failure_reason = null,
    time_failed = null
where
    subscriber.channel = $1::text
    and subscriber.name = $2::text
    and subscriber.disabled_reason is null
