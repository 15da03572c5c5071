-- Return how far a replica has replayed the log, in bytes; null: this is no replica.
select
    case
        when pg_is_in_recovery() then (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint
    end as position
