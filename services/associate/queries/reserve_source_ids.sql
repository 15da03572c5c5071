-- Return fresh source ids in ascending order.
--
-- $1  n  int  [-]
select nextval(pg_get_serial_sequence('source', 'id')) as id
from generate_series(1, $1::int)
