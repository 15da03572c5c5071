-- Return every column of a stream's transients.
--
-- $1  stream_id  int
select transient.*
from transient
where transient.stream_id = $1::int
