-- Store what updates report of transients, each once, and return which; one that was retracted meanwhile
-- has no row.
--
-- $1  transient_id               bigint[]
-- $2  last_notified_snr          float8[]       [-]
-- $3  last_notified_n_bands      int[]          [-]
-- $4  last_notified_time_start   timestamptz[]
-- $5  last_notified_ra           float8[]       [deg]
-- $6  last_notified_dec          float8[]       [deg]
-- $7  last_notified_ra_err_deg   float8[]       [deg]
-- $8  last_notified_dec_err_deg  float8[]       [deg]
-- Index: the primary key.
update transient
set
    last_notified_snr
    = greatest(coalesce(transient.last_notified_snr, transient.snr), row_in.last_notified_snr),
    last_notified_n_bands
    = greatest(coalesce(transient.last_notified_n_bands, 1), row_in.last_notified_n_bands),
    last_notified_time_start = row_in.last_notified_time_start,
    last_notified_ra = row_in.last_notified_ra,
    last_notified_dec = row_in.last_notified_dec,
    last_notified_ra_err_deg = row_in.last_notified_ra_err_deg,
    last_notified_dec_err_deg = row_in.last_notified_dec_err_deg,
    n_updates = transient.n_updates + 1
from
    unnest(
        $1::bigint[], $2::float8[], $3::int[], $4::timestamptz[], $5::float8[], $6::float8[], $7::float8[],
        $8::float8[]
    ) as row_in (
        transient_id, last_notified_snr, last_notified_n_bands, last_notified_time_start, last_notified_ra,
        last_notified_dec, last_notified_ra_err_deg, last_notified_dec_err_deg
    )
where
    transient.id = row_in.transient_id
    and transient.state = 'active'
returning transient.id
