-- Store what an update reports of a transient; one that was retracted meanwhile has no row.
--
-- $1  transient_id               bigint
-- $2  last_notified_snr          float8       [-]
-- $3  last_notified_n_bands      int          [-]
-- $4  last_notified_time_start   timestamptz
-- $5  last_notified_ra           float8       [deg]
-- $6  last_notified_dec          float8       [deg]
-- $7  last_notified_ra_err_deg   float8       [deg]
-- $8  last_notified_dec_err_deg  float8       [deg]
-- Index: the primary key.
update transient
set
    last_notified_snr = greatest(coalesce(transient.last_notified_snr, transient.snr), $2::float8),
    last_notified_n_bands = greatest(coalesce(transient.last_notified_n_bands, 1), $3::int),
    last_notified_time_start = $4::timestamptz,
    last_notified_ra = $5::float8,
    last_notified_dec = $6::float8,
    last_notified_ra_err_deg = $7::float8,
    last_notified_dec_err_deg = $8::float8,
    n_updates = transient.n_updates + 1
where
    transient.id = $1::bigint
    and transient.state = 'active'
returning transient.id
