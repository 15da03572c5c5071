-- List the columns of every table in order, with the comments; partitions are left out.
select
    relation.relname::text as table_name,
    obj_description(relation.oid, 'pg_class') as table_comment,
    attribute.attname::text as column_name,
    format_type(attribute.atttypid, attribute.atttypmod) as column_type,
    not attribute.attnotnull as is_nullable,
    col_description(relation.oid, attribute.attnum) as column_comment
from pg_class as relation
inner join pg_attribute as attribute on relation.oid = attribute.attrelid
where
    relation.relnamespace = 'public'::regnamespace
    and relation.relkind in ('r', 'p')
    and not relation.relispartition
    and attribute.attnum > 0
    and not attribute.attisdropped
order by relation.relname, attribute.attnum
