-- Return the sha256 of the VOEvents of some alerts.
--
-- $1  ivorn  text[]
-- Index: the unique one of alert (ivorn).
select
    alert.ivorn,
    sha256(alert.voevent) as digest
from alert
where alert.ivorn = any($1::text[])
