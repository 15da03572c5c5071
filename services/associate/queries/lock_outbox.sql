-- Try to become the one associator that publishes the outbox; until the transaction ends. The server
-- ends one whose process hangs.
select
    pg_try_advisory_xact_lock(hashtext('livetrap.associate.outbox')) as is_acquired,
    set_config('idle_in_transaction_session_timeout', '60s', true) as longest_idle
