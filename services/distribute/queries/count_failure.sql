-- Count a failure of a subscriber: no answer, or one that says nothing of the alert. None disables it,
-- and one that is disabled stays so.
--
-- $1  channel         text
-- $2  name            text
-- $3  failure_reason  text
-- Index: the primary key.
update subscriber
set
    n_failures = subscriber.n_failures + 1,
    failure_reason = $3::text,
    time_failed = coalesce(subscriber.time_failed, now())
where subscriber.channel = $1::text and subscriber.name = $2::text
