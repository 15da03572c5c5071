-- Return every column of a stream's images.
--
-- $1  stream_id  int
select image.*
from image
where image.stream_id = $1::int
