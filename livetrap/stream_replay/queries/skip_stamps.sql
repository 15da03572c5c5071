-- Note that nobody asks for pixels around the transients of a stream.
--
-- $1  stream  text
-- Indexes: the unique one on stream (name); transient (id) where needs_stamps.
update transient
set needs_stamps = false
from stream
where
    stream.name = $1::text
    and transient.stream_id = stream.id
    and transient.needs_stamps
