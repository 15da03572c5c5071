-- Try to take an advisory lock; it is held until the connection ends. The server ends it when it
-- was idle for 18 s, or as long in a statement of which the rest does not come: its process is
-- stopped or hangs. It notices a machine that is lost after half a minute.
--
-- $1  name  text
select
    pg_try_advisory_lock(hashtext($1::text)) as is_acquired,
    set_config('idle_session_timeout', '18s', false) as longest_idle,
    case
        when current_setting('server_version_num')::int >= 170000
            then set_config('transaction_timeout', '18s', false)
    end as longest_statement,
    set_config('tcp_keepalives_idle', '15', false) as idle_s,
    set_config('tcp_keepalives_interval', '5', false) as interval_s,
    set_config('tcp_keepalives_count', '3', false) as n_lost
