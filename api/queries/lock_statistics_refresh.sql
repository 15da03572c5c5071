-- Lock the copy of the statistics until the end of the transaction; return whether it is due.
--
-- $1  interval_s  float8  age at which it is due [s]
-- No row: another process copies.
select
    not exists (
        select
        from statistics_refresh
        where statistics_refresh.time_refreshed > now() - make_interval(secs => $1::float8)
    ) as is_due
where pg_try_advisory_xact_lock(hashtext('livetrap.source_statistics'))
