-- Drop the months of detections that ended longer than the retention before the last timestep.
--
-- $1  retention  interval
select drop_detection_partitions(stream.id, stream.closed_until - $1::interval) as name
from stream
where stream.closed_until is not null
order by stream.id
