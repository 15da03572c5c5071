-- Return up to when the copy of the statistics is complete; no row before the first one.
--
-- Index: the primary key.
select statistics_refresh.time_refreshed
from statistics_refresh
