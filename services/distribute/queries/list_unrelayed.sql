-- Return the submissions that this process has to give to its subscribers, oldest first: those
-- of the last while, which another process may have received, and those that nobody has relayed.
--
-- $1  recent_s      float8    submissions no older than this [s]
-- $2  abandoned_s   float8    unrelayed ones at least this old [s]
-- $3  done          bigint[]  relayed by this process
-- $4  limit         int       [-]
-- Indexes: submission (time_received), the partial one on submission (id).
select
    submission.id,
    submission.ivorn,
    submission.packet
from submission
where
    (
        submission.time_received > now() - make_interval(secs => $1::float8)
        or (
            submission.time_relayed is null
            and submission.time_received <= now() - make_interval(secs => $2::float8)
        )
    )
    and submission.id <> all($3::bigint[])
order by submission.id
limit $4::int
