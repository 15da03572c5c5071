-- Return the sources of a stream with what two streams are compared by.
--
-- $1  stream_id  int
select
    source.id,
    'source' as kind,
    source.ra,
    source.dec,
    source.first_time_start as time_start
from source
where source.stream_id = $1::int
order by source.id
