-- Forget sources that are seen again, or were missed too often.
--
-- $1  stream_id  int
-- $2  source_id  bigint[]
-- Index: the primary key.
delete from missed_source
where
    missed_source.stream_id = $1::int
    and missed_source.source_id = any($2::bigint[])
