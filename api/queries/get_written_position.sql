-- Return how far the database has written its log, in bytes.
select (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint as position
