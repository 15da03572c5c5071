-- Store which sources were announced, as new or as variable.
--
-- $1  id           bigint[]
-- $2  is_new       boolean[]
-- $3  is_variable  boolean[]
-- Index: the primary key.
update source
set
    is_new = row_in.is_new,
    is_variable = row_in.is_variable
from unnest($1::bigint[], $2::boolean[], $3::boolean[]) as row_in (id, is_new, is_variable)
where source.id = row_in.id
