-- Return those of some sources that are announced as new, and that another band may contradict.
--
-- $1  source_id  bigint[]
-- Index: the unique one on transient (source_id, episode).
select transient.source_id
from transient
where
    transient.source_id = any($1::bigint[])
    and transient.kind = 'new_source'
    and transient.state = 'active'
    and not transient.is_judged
