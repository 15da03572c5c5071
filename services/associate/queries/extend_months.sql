-- Give the newest partition of a stream's detections the month of a moment, too, while it is small.
--
-- $1  stream         text
-- $2  moment         timestamptz
-- $3  largest_bytes  bigint       of the partition [byte]
select extend_detection_partition(stream.id, $2::timestamptz, $3::bigint) as is_extended
from stream
where stream.name = $1
