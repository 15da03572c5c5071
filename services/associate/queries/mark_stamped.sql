-- Note that stamps of transients are asked for.
--
-- $1  transient_id  bigint[]
-- Index: the primary key.
update transient
set needs_stamps = false
where transient.id = any($1::bigint[])
