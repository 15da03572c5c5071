-- Return the replays of a subscription, the newest first.
--
-- $1  name   text
-- $2  limit  int   [-]
-- Indexes: subscription (name), replay (subscription_id).
select
    replay.id,
    subscription.name as subscription,
    replay.time_since as since,
    replay.time_until as until,
    replay.speed,
    replay.n_sent,
    replay.failure_reason,
    replay.time_created,
    replay.time_done
from subscription
inner join replay on subscription.id = replay.subscription_id
where subscription.name = $1::text
order by replay.id desc
limit $2::int
