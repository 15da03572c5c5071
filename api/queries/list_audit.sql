-- Return writes, newest first.
--
-- $1  actor      text         who asked; null: anybody
-- $2  object     text         table or kind; null: any
-- $3  object_id  text         null: any
-- $4  since      timestamptz  null: from the first on
-- $5  until      timestamptz  null: to the last
-- $6  before_id  bigint       last id of the previous page; null: the first page
-- $7  limit      int
-- Indexes: the primary key; audit (object, object_id, id); audit (actor, id).
select
    audit.id,
    audit.time_written,
    audit.actor,
    audit.action,
    audit.object,
    audit.object_id,
    audit.row_before::text as row_before,
    audit.row_after::text as row_after
from audit
where
    ($1::text is null or audit.actor = $1)
    and ($2::text is null or audit.object = $2)
    and ($3::text is null or audit.object_id = $3)
    and ($4::timestamptz is null or audit.time_written >= $4)
    and ($5::timestamptz is null or audit.time_written < $5)
    and ($6::bigint is null or audit.id < $6)
order by audit.id desc
limit $7::int
