-- Return the replays that are not done.
--
-- Index: replay (id) where not done.
select
    replay.id,
    subscription.name,
    replay.time_since,
    replay.time_until,
    replay.speed,
    replay.since_alert_id
from replay
inner join subscription on replay.subscription_id = subscription.id
where replay.time_done is null
order by replay.id
