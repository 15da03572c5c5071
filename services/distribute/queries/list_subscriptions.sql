-- Return all subscriptions.
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
order by subscription.id
