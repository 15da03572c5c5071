-- Return how far each stream has come.
select
    stream.name,
    stream.closed_until
from stream
where stream.closed_until is not null
order by stream.name
