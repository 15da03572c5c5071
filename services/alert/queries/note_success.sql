-- Forget the failures of a subscriber.
--
-- $1  channel  text
-- $2  name     text
update subscriber
set n_failures = 0
where subscriber.channel = $1::text and subscriber.name = $2::text and subscriber.n_failures > 0
