-- Lock a stream against timesteps and forced results, and return its id; no row: it is unknown.
--
-- $1  name  text
-- Index: the unique one on name.
select stream.id
from stream
where stream.name = $1::text
for no key update
