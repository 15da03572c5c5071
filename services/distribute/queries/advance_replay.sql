-- Record how far a replay has come.
--
-- $1  id              bigint
-- $2  since_alert_id  bigint
-- $3  n_sent          int      more than before [-]
-- Index: the primary key.
update replay
set
    since_alert_id = greatest(replay.since_alert_id, $2::bigint),
    n_sent = replay.n_sent + $3::int
where replay.id = $1::bigint
