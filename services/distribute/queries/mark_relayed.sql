-- Record that submissions were given to the subscribers.
--
-- $1  id  bigint[]
-- Index: the primary key.
update submission
set time_relayed = now()
where submission.id = any($1::bigint[]) and submission.time_relayed is null
