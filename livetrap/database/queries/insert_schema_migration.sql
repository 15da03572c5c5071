-- Record one applied migration.
--
-- $1  name    text  file name
-- $2  sha256  text  of its bytes, hex
insert into schema_migration (name, sha256)
values ($1::text, $2::text)
