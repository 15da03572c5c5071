-- Return subscriptions by name, and how their delivery goes.
--
-- $1  owner  text  null: of all
-- $2  name   text  null: all
-- Indexes: subscription (owner), subscription (name), delivery (subscriber, alert_id).
select
    subscription.name,
    subscription.owner,
    subscription.rule,
    subscription.ra,
    subscription.dec,
    subscription.radius_deg,
    subscription.moc,
    subscription.schedule,
    subscription.channel,
    subscription.target,
    subscription.time_created,
    subscription.stamps,
    subscription.secret is not null as is_signed,
    subscriber.disabled_reason,
    subscriber.failure_reason,
    coalesce(subscriber.n_failures, 0) as n_failures,
    coalesce(subscriber.n_refusals, 0) as n_refusals,
    (
        select count(*) from delivery
        where
            delivery.channel = 'subscription'
            and delivery.subscriber = subscription.name
            and delivery.time_sent >= subscription.time_created
    ) as n_delivered
from subscription
left join subscriber
    on subscription.name = subscriber.name and subscriber.channel = 'subscription'
where
    ($1::text is null or subscription.owner = $1::text)
    and ($2::text is null or subscription.name = $2::text)
order by subscription.name
