-- Wait until no other transaction stores alerts; held until this transaction ends. Revisions
-- count up so, and rows become visible in the order of their ids.
select pg_advisory_xact_lock(hashtext('livetrap.alert'))
