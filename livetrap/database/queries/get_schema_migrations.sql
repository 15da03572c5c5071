-- Give every migration that was applied, in order.
select
    name,
    sha256
from schema_migration
order by name
