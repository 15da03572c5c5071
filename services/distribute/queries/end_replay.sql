-- Record that a replay is over.
--
-- $1  id              bigint
-- $2  failure_reason  text    null: all was sent
-- Index: the primary key.
update replay
set
    time_done = coalesce(replay.time_done, now()),
    failure_reason = $2::text
where replay.id = $1::bigint
