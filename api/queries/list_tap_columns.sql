-- Return what TAP_SCHEMA describes: a row a column, in order of display.
select
    schemas.schema_name,
    schemas.description as schema_description,
    tables.table_name,
    tables.table_type,
    tables.utype as table_utype,
    tables.description as table_description,
    columns.column_name,
    trim('"' from columns.column_name) as plain_name,
    columns.datatype,
    columns.arraysize,
    columns.xtype,
    columns.unit,
    columns.ucd,
    columns.utype,
    columns.description,
    columns.indexed = 1 as is_indexed,
    columns.principal = 1 as is_principal,
    columns.std = 1 as is_std
from tap_schema.schemas
inner join tap_schema.tables on schemas.schema_name = tables.schema_name
inner join tap_schema.columns on tables.table_name = columns.table_name
order by schemas.schema_index, tables.table_index, columns.column_index
