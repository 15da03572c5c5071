-- Count a refusal of a subscriber, which is disabled by one too many without a delivery between;
-- return how many there were.
--
-- $1  channel         text
-- $2  name            text
-- $3  failure_reason  text
-- $4  max_refusals    int   [-]
-- Index: the primary key.
update subscriber
set
    n_failures = subscriber.n_failures + 1,
    n_refusals = subscriber.n_refusals + 1,
    failure_reason = $3::text,
    time_failed = coalesce(subscriber.time_failed, now()),
    disabled_reason = coalesce(
        subscriber.disabled_reason,
        case when subscriber.n_refusals + 1 >= $4::int then $3::text end
    )
where subscriber.channel = $1::text and subscriber.name = $2::text
returning subscriber.n_refusals
