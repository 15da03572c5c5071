-- Return every column of a stream's sources.
--
-- $1  stream_id  int
select source.*
from source
where source.stream_id = $1::int
