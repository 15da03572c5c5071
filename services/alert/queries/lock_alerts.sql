-- Lock out other transactions that store alerts, until this transaction ends: revisions then
-- count up without gaps, and rows become visible in the order of their ids.
select pg_advisory_xact_lock(hashtext('livetrap.alert'))
