-- Count a failure of a subscriber; return whether it is the one too many that disables it.
--
-- $1  channel         text
-- $2  name            text
-- $3  failure_reason  text
-- $4  max_failures    int   null: none disables it [-]
-- Index: the primary key.
update subscriber
set
    n_failures = subscriber.n_failures + 1,
    failure_reason = $3::text,
    time_failed = coalesce(subscriber.time_failed, now()),
    disabled_reason = case when subscriber.n_failures + 1 >= $4::int then $3::text end
where subscriber.channel = $1::text and subscriber.name = $2::text
returning subscriber.disabled_reason is not null as is_disabled
