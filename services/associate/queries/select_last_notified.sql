-- Return the episodes of sources that go on and may be updated, and what their last events reported.
--
-- $1  source_id        bigint[]
-- $2  max_updates      int          [-]
-- $3  notified_before  timestamptz  transients whose last event is of a later exposure are left out
-- Index: the unique one on transient (source_id, episode).
select
    transient.id as transient_id,
    transient.trig_id,
    transient.source_id,
    transient.kind,
    transient.certainty,
    coalesce(transient.last_notified_snr, transient.snr) as snr,
    coalesce(transient.last_notified_n_bands, 1) as n_bands,
    coalesce(transient.last_notified_ra, transient.ra) as ra,
    coalesce(transient.last_notified_dec, transient.dec) as dec,
    coalesce(transient.last_notified_ra_err_deg, transient.ra_err_deg) as ra_err_deg,
    coalesce(transient.last_notified_dec_err_deg, transient.dec_err_deg) as dec_err_deg,
    transient.limit_previous_jy_beam
from transient
where
    transient.source_id = any($1::bigint[])
    and transient.state = 'active'
    and transient.time_end is null
    and transient.n_updates < $2::int
    and coalesce(transient.last_notified_time_start, transient.time_start) <= $3::timestamptz
order by transient.id
