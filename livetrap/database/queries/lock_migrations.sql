-- Let one migration run at a time; the lock ends with the session.
--
-- $1  key  bigint  the same in every LiveTrap
select pg_advisory_lock($1::bigint)
