-- List primary keys (p), unique constraints (u) and references (f) with their columns in order.
select
    constrained.relname::text as table_name,
    pg_constraint.contype::text as kind,
    (
        select array_agg(attribute.attname::text order by part.position)
        from unnest(pg_constraint.conkey) with ordinality as part (number, position)
        inner join pg_attribute as attribute
            on
                pg_constraint.conrelid = attribute.attrelid
                and part.number = attribute.attnum
    ) as column_names,
    referenced.relname::text as referenced_table
from pg_constraint
inner join pg_class as constrained on pg_constraint.conrelid = constrained.oid
left join pg_class as referenced on pg_constraint.confrelid = referenced.oid
where
    pg_constraint.connamespace = 'public'::regnamespace
    and pg_constraint.contype in ('p', 'u', 'f')
    and not constrained.relispartition
order by constrained.relname, pg_constraint.contype, column_names
