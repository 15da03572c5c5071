-- Note that VTP subscribers are connected; return those that are known.
--
-- $1  name  text[]
-- Index: the primary key.
update subscriber
set time_seen = now()
where subscriber.channel = 'vtp' and subscriber.name = any($1::text[])
returning subscriber.name
