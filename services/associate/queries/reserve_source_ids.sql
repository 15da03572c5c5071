-- Return new ids of sources in ascending order.
--
-- $1  n_sources  int  [-]
select nextval(pg_get_serial_sequence('source', 'id')::regclass) as id
from generate_series(1, $1::int)
