-- Create the month's partition of a stream's detections, if it is missing.
--
-- $1  stream_id   int
-- $2  time_start  timestamptz
select ensure_detection_partition($1::int, $2::timestamptz)
