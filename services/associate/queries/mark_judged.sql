-- Note that new sources were compared with all other bands, and that none contradicts them.
--
-- $1  id  bigint[]
-- Index: the primary key.
update transient
set is_judged = true
where transient.id = any($1::bigint[])
