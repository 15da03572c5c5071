-- Enable a disabled subscriber; return its name if there is one.
--
-- $1  channel  text
-- $2  name     text
update subscriber
set
    n_failures = 0,
    n_refusals = 0,
    disabled_reason = null,
    failure_reason = null,
    time_failed = null
where subscriber.channel = $1::text and subscriber.name = $2::text
returning subscriber.name
