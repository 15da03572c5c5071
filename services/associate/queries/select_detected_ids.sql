-- Return the sources that a stream's images of a time detected, as one string of 8 bytes each, big-endian.
--
-- $1  stream_id  int
-- $2  from_time  timestamptz  start of the exposure, inclusive
-- $3  to_time    timestamptz  the same
-- Index: the primary key of detection (of this stream's partition).
select string_agg(int8send(detection.source_id), '') as source_ids
from detection
where
    detection.stream_id = $1::int
    and detection.time_start between $2::timestamptz and $3::timestamptz
    and detection.extraction_type = 'blind'
