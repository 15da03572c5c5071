-- TAP_SCHEMA as taplint of STILTS wants it (TAP 1.1, section 4; VOUnits 1.0; ObsCore 1.1, erratum 3).

-- A word of ADQL that is the name of a column is written as a delimited identifier.
update tap_schema.columns
set column_name = '"size"'
where table_name = 'tap_schema.columns' and column_name = 'size';

update tap_schema.columns
set datatype = 'int'
where
    table_name in ('tap_schema.schemas', 'tap_schema.tables', 'tap_schema.columns')
    and datatype = 'long';

-- The deprecated length says what arraysize says.
update tap_schema.columns
set size = arraysize::int
where arraysize ~ '^[0-9]+$';

-- As astropy writes it in the answers.
update tap_schema.columns
set unit = 'Jy.beam**-1'
where unit = 'Jy/beam';

update tap_schema.columns
set ucd = 'meta.code.class'
where table_name = 'ivoa.obscore' and column_name = 'dataproduct_type';

-- noqa: disable=layout.indent
insert into tap_schema.keys (key_id, from_table, target_table, description)
values
('tables_schemas', 'tap_schema.tables', 'tap_schema.schemas', 'Schema of the table'),
('columns_tables', 'tap_schema.columns', 'tap_schema.tables', 'Table of the column'),
('keys_from_tables', 'tap_schema.keys', 'tap_schema.tables', 'Table that refers'),
('keys_target_tables', 'tap_schema.keys', 'tap_schema.tables', 'Table it refers to'),
('key_columns_keys', 'tap_schema.key_columns', 'tap_schema.keys', 'Reference of the columns');

insert into tap_schema.key_columns (key_id, from_column, target_column)
values
('tables_schemas', 'schema_name', 'schema_name'),
('columns_tables', 'table_name', 'table_name'),
('keys_from_tables', 'from_table', 'table_name'),
('keys_target_tables', 'target_table', 'table_name'),
('key_columns_keys', 'key_id', 'key_id');
-- noqa: enable=layout.indent
