-- Return the id of a stream, which is created if it is new.
--
-- $1  name  text
-- Index: the unique one on name.
insert into stream (name)
values ($1::text)
on conflict (name) do update set name = excluded.name
returning stream.id
