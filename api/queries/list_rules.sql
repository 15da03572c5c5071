-- Return the rules that sent alerts lately, the one that sent most first.
--
-- $1  days  float8  [d]
-- No index: it reads the alerts once.
select
    alert.rule as name,
    count(*) as n_alerts,
    max(alert.time_alert) as time_last_alert
from alert
where
    alert.rule is not null
    and alert.time_alert > now() - $1::float8 * interval '1 day'
group by alert.rule
order by count(*) desc, alert.rule
