-- Store a VOEvent of another author; return its id, or no row if its ivorn is stored already.
--
-- $1  ivorn   text
-- $2  packet  bytea
-- $3  sha256  text
-- $4  peer    text
-- Index: the unique one on ivorn.
insert into submission (ivorn, packet, sha256, peer)
values ($1::text, $2::bytea, $3::text, $4::text)
on conflict (ivorn) do nothing
returning submission.id
