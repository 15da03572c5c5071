-- Delete a reference catalogue with its sources; return its id if there was one.
--
-- $1  name  text
delete from reference_catalogue
where reference_catalogue.name = $1::text
returning reference_catalogue.id
