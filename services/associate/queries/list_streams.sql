-- Return up to where each stream is closed.
select
    stream.name,
    stream.closed_until
from stream
where stream.closed_until is not null
order by stream.name
