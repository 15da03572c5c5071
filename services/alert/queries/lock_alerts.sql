-- Lock out other transactions that store alerts, until this transaction ends, and take ids for its
-- alerts, in ascending order: revisions then count up without gaps, and rows become visible in the
-- order of their ids. A process that is stopped in its transaction loses it after 10 s.
--
-- $1  n_alerts  int  at least one [-]
with locked as materialized (
    select
        pg_advisory_xact_lock(hashtext('livetrap.alert')) as lock,
        set_config('idle_in_transaction_session_timeout', '10s', true) as longest_idle
)

select nextval(pg_get_serial_sequence('alert', 'id'))::bigint as id
from locked
cross join generate_series(1, $1::int)
