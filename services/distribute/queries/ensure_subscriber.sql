-- Return the state of a subscriber; a new one is created and gets later alerts only.
--
-- $1  channel  text
-- $2  name     text
-- Index: the primary key.
insert into subscriber (channel, name, since_alert_id)
values ($1::text, $2::text, (select coalesce(max(alert.id), 0) from alert))
on conflict (channel, name) do update set name = excluded.name
returning
    subscriber.since_alert_id,
    subscriber.n_failures,
    subscriber.disabled_reason,
    subscriber.n_refusals
