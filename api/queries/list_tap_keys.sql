-- Return the references between tables that TAP_SCHEMA describes: a row a pair of columns.
select
    keys.key_id,
    keys.from_table,
    keys.target_table,
    keys.description,
    key_columns.from_column,
    key_columns.target_column
from tap_schema.keys
inner join tap_schema.key_columns on keys.key_id = key_columns.key_id
order by keys.key_id, key_columns.from_column
