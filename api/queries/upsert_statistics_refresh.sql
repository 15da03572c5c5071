-- Note that the copy of the statistics is complete as of this transaction.
--
insert into statistics_refresh (time_refreshed)
values (now())
on conflict (is_only) do update set time_refreshed = excluded.time_refreshed
returning time_refreshed
