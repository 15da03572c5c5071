-- Insert a reference catalogue without its sources, and return its id.
--
-- $1  name       text
-- $2  n_sources  bigint  [-]
insert into reference_catalogue (name, n_sources)
values ($1::text, $2::bigint)
returning reference_catalogue.id
