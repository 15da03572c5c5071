-- Ask for a replay; return no row if there is no such subscription, or one of its replays goes on.
--
-- $1  name        text         of the subscription
-- $2  owner       text         of the subscription; null: whoever it is
-- $3  time_since   timestamptz
-- $4  time_until  timestamptz
-- $5  speed       float8       [-]
-- Indexes: subscription (name), replay (subscription_id).
insert into replay (subscription_id, time_since, time_until, speed)
select
    subscription.id as subscription_id,
    $3::timestamptz as time_since,
    $4::timestamptz as time_until,
    $5::float8 as speed
from subscription
where
    subscription.name = $1::text
    and ($2::text is null or subscription.owner = $2::text)
    and not exists (
        select 1 from replay as other
        where other.subscription_id = subscription.id and other.time_done is null
    )
returning replay.id
