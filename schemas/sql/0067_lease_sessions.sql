-- What ends sessions of the database while their processes go on: whoever takes a lock after that
-- waits for what the holder before has sent.

create function session_epoch() returns text language sql stable
return concat_ws(
    '/',
    -- a replica that was made the primary
    left(pg_walfile_name(pg_current_wal_lsn()), 8),
    -- a session that somebody ended
    (
        select pg_stat_database.sessions_killed
        from pg_stat_database
        where pg_stat_database.datname = current_database()
    ),
    -- a process of the server that crashed, which ends every session
    (select pg_stat_checkpointer.stats_reset from pg_stat_checkpointer)
);
comment on function session_epoch() is
'Text that is another one after the server has ended a session, not the client';

alter table process_lease add column session_epoch text;
comment on column process_lease.session_epoch is
'What session_epoch() said when the holder last used its session';
