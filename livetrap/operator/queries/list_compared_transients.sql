-- Return the active transients of a stream with what two streams are compared by.
--
-- $1  stream_id  int
select
    transient.id,
    transient.kind,
    transient.ra,
    transient.dec,
    transient.time_start
from transient
where
    transient.stream_id = $1::int
    and transient.state = 'active'
order by transient.id
