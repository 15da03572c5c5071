-- Record how many families of alerts have a name of each year.
--
-- $1  year      int[]
-- $2  n_events  bigint[]  [-]
-- Index: the primary key.
insert into event_name (year, n_events)
select
    counted.year,
    counted.n_events
from unnest($1::int[], $2::bigint[]) as counted (year, n_events)
on conflict (year) do update set n_events = excluded.n_events
