-- Count one more named family of a year, and return its number.
--
-- $1  year  int
-- Index: the primary key.
insert into event_name (year, n_events)
values ($1::int, 1)
on conflict (year) do update set n_events = event_name.n_events + 1
returning n_events
