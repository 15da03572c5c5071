-- Count a look that did not detect sources in an episode; enough of them end it.
--
-- $1  source_id    bigint[]
-- $2  quiet_looks  int          looks that end an episode at most [-]
-- $3  time_end     timestamptz  of the timestep
-- Indexes: the primary key; the unique one on transient (source_id, episode).
with counted as (
    update source
    set
        n_quiet = source.n_quiet + 1,
        activity = case
            when source.n_quiet + 1 >= least(source.n_quiet_needed, $2::int) then 0
            else source.activity
        end
    where
        source.id = any($1::bigint[])
        and source.activity = 1
    returning source.id, source.activity
)

update transient
set time_end = $3::timestamptz
from counted
where
    transient.source_id = counted.id
    and counted.activity = 0
    and transient.time_end is null
