-- Return how long the new holder of a lock waits for what another may have sent, if the server, and
-- not the end of the other one, ended its session; nothing if it need not wait.
--
-- $1  name     text
-- $2  holder   uuid    the new one
-- $3  fence_s  float8  [s]
-- Index: the primary key.
select
    case
        when coalesce(process_lease.session_epoch <> session_epoch(), true) then $3::float8
        -- A clock that was put back since the start would make the wait as long as that.
        else least(
            $3::float8,
            greatest(
                0, $3::float8 - extract(epoch from clock_timestamp() - pg_postmaster_start_time())
            )::float8
        )
    end as wait_s
from process_lease
where process_lease.name = $1::text and process_lease.holder <> $2::uuid
