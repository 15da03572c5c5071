-- Return the applied migrations in order.
select
    name,
    sha256
from schema_migration
order by name
