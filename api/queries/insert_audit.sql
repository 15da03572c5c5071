-- Note what was done that changes no table of the audit's triggers.
--
-- $1  actor       text  name of the token
-- $2  action      text
-- $3  object      text  kind of the object
-- $4  object_id   text
-- $5  row_before  text  JSON: what was before; null: nothing to tell
-- $6  row_after   text  JSON: what was asked
insert into audit (actor, action, object, object_id, row_before, row_after)
values ($1::text, $2::text, $3::text, $4::text, $5::text::jsonb, $6::text::jsonb)
returning audit.id
