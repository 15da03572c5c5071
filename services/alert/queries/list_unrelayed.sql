-- Return the submissions that were stored a while ago and not handed to the subscribers.
--
-- $1  least_age  interval
-- $2  limit      int       [-]
-- Index: the partial one on submission (id).
select
    submission.id,
    submission.ivorn,
    submission.packet
from submission
where submission.time_broadcast is null and submission.time_received <= now() - $1::interval
order by submission.id
limit $2::int
