-- Insert a subscription that gets the alerts from now on; return no row if the name is taken, or
-- its owner has the most that one may have. Topics of deleted ones count until they are gone.
--
-- $1   name               text
-- $2   owner              text
-- $3   rule               text
-- $4   ra                 float8  [deg]
-- $5   dec                float8  [deg]
-- $6   radius_deg         float8  [deg]
-- $7   moc                text
-- $8   schedule           text
-- $9   channel            text
-- $10  target             text
-- $11  secret             text
-- $12  stamps             bool
-- $13  max_subscriptions  int     of one owner [-]
-- Indexes: subscription (owner), subscription (name), unused_topic (owner), the primary keys of
-- subscriber and unused_topic.
with owned as (
    select
        count(*) as n_subscriptions,
        count(*) filter (where subscription.channel = 'kafka') as n_topics
    from subscription
    where subscription.owner = $2::text
),

unused as (
    select count(*) as n_topics
    from unused_topic
    where unused_topic.owner = $2::text and unused_topic.name <> $1::text
),

inserted as (
    insert into subscription (
        name, owner, rule, ra, dec, radius_deg, moc, schedule, channel, target, secret,
        stamps
    )
    select
        $1::text as name,
        $2::text as owner,
        $3::text as rule,
        $4::float8 as ra,
        $5::float8 as dec,
        $6::float8 as radius_deg,
        $7::text as moc,
        $8::text as schedule,
        $9::text as channel,
        $10::text as target,
        $11::text as secret,
        $12::bool as stamps
    from owned
    cross join unused
    where
        owned.n_subscriptions < $13::int
        and ($9::text <> 'kafka' or owned.n_topics + unused.n_topics < $13::int)
    on conflict (name) do nothing
    returning subscription.id, subscription.name
),

placed as (
    insert into subscriber (channel, name, since_alert_id)
    select
        'subscription' as channel,
        inserted.name,
        (select coalesce(max(alert.id), 0) from alert) as since_alert_id
    from inserted
    on conflict (channel, name) do update
        set
            since_alert_id = excluded.since_alert_id,
            n_failures = 0,
            n_refusals = 0,
            disabled_reason = null,
            failure_reason = null,
            time_failed = null
),

reused as (
    delete from unused_topic
    using inserted
    where unused_topic.name = inserted.name and $9::text = 'kafka'
)

select inserted.id
from inserted
