-- Note that a transient is certainly new: its later events say so, too.
--
-- $1  transient_id  bigint
-- Index: the primary key.
update transient set certainty = 'certain'
where transient.id = $1::bigint
