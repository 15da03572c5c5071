-- Make the month's partition of table detection, if it is missing.
--
-- $1  time_start  timestamptz
select ensure_detection_partition($1::timestamptz)
