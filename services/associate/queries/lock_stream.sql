-- Lock a stream against timesteps and forced results, and return it; no row: it is unknown.
--
-- $1  name  text
-- Index: the unique one on name.
select
    stream.id,
    stream.systematic_position_error_deg,
    stream.looked_until
from stream
where stream.name = $1::text
for no key update
