-- Store when the episodes of sources ended that were still going on.
--
-- $1  source_id  bigint[]
-- $2  time_end   timestamptz  of the timestep
-- Index: the unique one on transient (source_id, episode).
update transient
set time_end = $2::timestamptz
where
    transient.source_id = any($1::bigint[])
    and transient.time_end is null
