-- Delete the counts of sources that are detected again, or that have expired.
--
-- $1  stream_id  int
-- $2  source_id  bigint[]
-- Index: the primary key.
delete from null_detection
where
    null_detection.stream_id = $1::int
    and null_detection.source_id = any($2::bigint[])
