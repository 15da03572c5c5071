-- Create the table of the schema files that were applied.
create table if not exists schema_migration (
    name text primary key,
    sha256 text not null,
    time_applied timestamptz not null default now()
)
