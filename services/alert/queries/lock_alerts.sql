-- Lock out other transactions that store alerts, until this transaction ends: revisions then
-- count up without gaps, and rows become visible in the order of their ids. A process that is
-- stopped in its transaction loses it after 10 s.
select
    pg_advisory_xact_lock(hashtext('livetrap.alert')) as lock,
    set_config('idle_in_transaction_session_timeout', '10s', true) as longest_idle
