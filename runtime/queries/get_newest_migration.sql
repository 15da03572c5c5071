-- Return the newest migration that was applied; null: none.
select max(schema_migration.name) as name
from schema_migration
