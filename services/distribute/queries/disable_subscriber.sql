-- Disable a subscriber, unless it is disabled for another reason.
--
-- $1  channel          text
-- $2  name             text
-- $3  disabled_reason  text
-- Index: the primary key.
update subscriber
set
    failure_reason = $3::text,
    time_failed = coalesce(subscriber.time_failed, now()),
    disabled_reason = coalesce(subscriber.disabled_reason, $3::text)
where subscriber.channel = $1::text and subscriber.name = $2::text
