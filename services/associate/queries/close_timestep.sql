-- Store up to where a stream is closed; images up to there are late from now on.
--
-- $1  stream_id     int
-- $2  closed_until  timestamptz  start of the timestep
-- Index: the primary key.
update stream
set closed_until = greatest(stream.closed_until, $2::timestamptz)
where stream.id = $1::int
