-- Note that the answers to looks back did not come in time.
--
-- $1  source_id  bigint[]
-- Index: the primary key.
update look_back set is_overdue = true
where look_back.source_id = any($1::bigint[])
