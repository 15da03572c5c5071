-- Return the alerts after one that a subscription wants, oldest first.
--
-- $1  after_id  bigint
-- $2  limit     int     [-]
-- $3  name      text    of the subscription
-- Indexes: delivery (subscriber, alert_id), subscription (name), the primary key of alert.
select
    alert.id,
    alert.ivorn,
    alert.trig_id,
    alert.revision,
    alert.alert_type,
    alert.role,
    alert.kind,
    case when alert.alert_type = 'retraction' then 'retracted' else 'active' end as state,
    alert.stream,
    alert.transient_id,
    alert.source_id,
    alert.ra,
    alert.dec,
    alert.snr,
    alert.flux_peak_jy_beam,
    alert.time_start,
    alert.time_alert,
    alert.latency_s,
    alert.notice::text as notice
from delivery
inner join alert on delivery.alert_id = alert.id
-- What an earlier subscription of that name got is not of this one.
inner join subscription
    on
        delivery.subscriber = subscription.name
        and delivery.time_sent >= subscription.time_created
where
    delivery.channel = 'subscription'
    and delivery.subscriber = $3::text
    and delivery.alert_id > $1::bigint
order by alert.id
limit $2::int
