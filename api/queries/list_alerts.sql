-- Return a page of alerts, newest first.
--
-- $1   since         timestamptz
-- $2   until         timestamptz
-- $3   trig_id       text
-- $4   ra            float8       [deg]
-- $5   dec           float8       [deg]
-- $6   radius_deg    float8       [deg]
-- $7   stream        text
-- $8   kind          text
-- $9   transient_id  bigint
-- $10  min_snr       float8       [-]
-- $11  before_id     bigint       last of the previous page
-- $12  state         text         retracted: alerts that retract their family
-- $13  limit         int          [-]
-- Null leaves a filter out.
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
    alert.latency_s
from alert
where
    ($1::timestamptz is null or alert.time_alert >= $1)
    and ($2::timestamptz is null or alert.time_alert < $2)
    and ($3::text is null or alert.trig_id = $3)
    and (
        $6::float8 is null
        or sind(alert.dec) * sind($5::float8)
        + cosd(alert.dec) * cosd($5) * cosd(alert.ra - $4::float8) >= cosd($6) - 1e-15
    )
    and ($7::text is null or alert.stream = $7)
    and ($8::text is null or alert.kind = $8)
    and ($9::bigint is null or alert.transient_id = $9)
    and ($10::float8 is null or alert.snr >= $10)
    and ($11::bigint is null or alert.id < $11)
    and ($12::text is null or ($12 = 'retracted') = (alert.alert_type = 'retraction'))
order by alert.id desc
limit $13::int
