-- Note that submissions were handed to the subscribers.
--
-- $1  id  bigint[]
-- Index: the primary key.
update submission
set time_broadcast = now()
where submission.id = any($1::bigint[]) and submission.time_broadcast is null
