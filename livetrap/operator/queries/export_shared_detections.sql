-- Return the measurements that belong to a second source of a stream too.
--
-- $1  stream_id  int
select shared_detection.*
from shared_detection
inner join source on shared_detection.source_id = source.id
where source.stream_id = $1::int
