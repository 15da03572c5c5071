-- Store up to where a stream is closed; images up to there are late from now on.
--
-- $1  stream_id     int
-- $2  closed_until  timestamptz  start of the timestep
-- $3  is_looked     boolean      whether an image of it was accepted
-- Index: the primary key.
update stream
set
    closed_until = greatest(stream.closed_until, $2::timestamptz),
    looked_until = case when $3::boolean then $2::timestamptz else stream.looked_until end
where stream.id = $1::int
