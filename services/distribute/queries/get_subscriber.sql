-- Return the state of a subscriber, if there is one of this name.
--
-- $1  channel  text
-- $2  name     text
-- Index: the primary key.
select
    subscriber.since_alert_id,
    subscriber.n_failures,
    subscriber.disabled_reason,
    subscriber.n_refusals
from subscriber
where subscriber.channel = $1::text and subscriber.name = $2::text
