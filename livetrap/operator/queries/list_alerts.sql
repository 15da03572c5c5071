-- Return alerts, newest first.
--
-- $1  family  text  ivorn or trig_id; null for all
-- $2  limit   int   [-]
-- Indexes: the primary key; alert (trig_id), the unique one on ivorn.
select
    alert.ivorn,
    alert.trig_id,
    alert.alert_type,
    alert.kind,
    alert.rule,
    alert.role,
    alert.stream,
    alert.snr,
    alert.ra,
    alert.dec,
    alert.time_alert,
    alert.time_published,
    transient.state
from alert
left join transient on alert.transient_id = transient.id
where $1::text is null or alert.trig_id = $1 or alert.ivorn = $1
order by alert.id desc
limit $2::int
