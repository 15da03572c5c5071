-- Return how many families of alerts have a name of a year.
--
-- $1  year  int
-- Index: the primary key.
select coalesce(max(event_name.n_events), 0)::bigint as n_events
from event_name
where event_name.year = $1::int
