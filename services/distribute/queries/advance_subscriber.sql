-- Record what a channel has acknowledged or refused, and move its position behind it; what it has
-- acknowledged ends its failures and refusals.
--
-- $1  channel          text
-- $2  name             text
-- $3  since_alert_id   bigint       the new position
-- $4  time_sent        timestamptz
-- $5  alert_id         bigint[]
-- $6  is_acknowledged  boolean[]    false: refused permanently
-- Indexes: the primary keys.
with recorded as (
    insert into delivery (alert_id, channel, subscriber, time_sent, time_acknowledged)
    select
        alert.id,
        $1::text as channel,
        $2::text as subscriber,
        $4::timestamptz as time_sent,
        case when row_in.is_acknowledged then now() end as time_acknowledged
    from unnest($5::bigint[], $6::boolean[]) as row_in (alert_id, is_acknowledged)
    inner join alert on row_in.alert_id = alert.id
    on conflict (alert_id, channel, subscriber) do update
        set time_acknowledged = coalesce(delivery.time_acknowledged, excluded.time_acknowledged)
)

update subscriber
set
    since_alert_id = greatest(subscriber.since_alert_id, $3::bigint),
    n_failures = case when true = any($6::boolean[]) then 0 else subscriber.n_failures end,
    n_refusals = case when true = any($6::boolean[]) then 0 else subscriber.n_refusals end,
    failure_reason = case when true = any($6::boolean[]) then null else subscriber.failure_reason end,
    time_failed = case when true = any($6::boolean[]) then null else subscriber.time_failed end
where subscriber.channel = $1::text and subscriber.name = $2::text
