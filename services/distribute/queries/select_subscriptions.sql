-- Return some subscriptions.
--
-- $1  id  bigint[]
-- Index: the primary key.
select
    subscription.id,
    subscription.name,
    subscription.rule,
    subscription.ra,
    subscription.dec,
    subscription.radius_deg,
    subscription.moc,
    subscription.schedule,
    subscription.channel,
    subscription.target,
    subscription.secret,
    subscription.stamps
from subscription
where subscription.id = any($1::bigint[])
order by subscription.id
