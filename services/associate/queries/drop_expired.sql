-- Drop the months of detections that ended so long before the last timestep of their stream.
--
-- $1  retention  interval
select drop_detection_partitions(stream.id, stream.closed_until - $1::interval) as name
from stream
where stream.closed_until is not null
order by stream.id
