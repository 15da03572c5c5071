-- Return the alerts after one, oldest first; the alert stream sends them next.
--
-- $1  after_id  bigint
-- $2  limit     int     [-]
-- Index: the primary key.
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
from alert
where alert.id > $1::bigint
order by alert.id
limit $2::int
