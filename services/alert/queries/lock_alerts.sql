-- Let one alert at a time in: revisions count up and ids become visible in order.
-- Held until the transaction ends.
select pg_advisory_xact_lock(hashtext('livetrap.alert'))
