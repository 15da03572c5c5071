-- Take ids for alerts that are stored later in the same transaction, in ascending order.
--
-- $1  n_alerts  int  [-]
select nextval(pg_get_serial_sequence('alert', 'id'))::bigint as id
from generate_series(1, $1::int)
