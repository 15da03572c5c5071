-- Store which sources were announced, as new or as variable.
--
-- $1  id           bigint[]
-- $2  is_new       boolean[]
-- $3  is_variable  boolean[]
-- Index: the primary key.
update source
set
    is_new = fresh.is_new,
    is_variable = fresh.is_variable
from unnest($1::bigint[], $2::boolean[], $3::boolean[]) as fresh (id, is_new, is_variable)
where source.id = fresh.id
