-- Note that a token is used.
--
-- $1  id  bigint
-- Index: the primary key.
update api_token
set
    time_last_used = now()
where api_token.id = $1::bigint
returning api_token.id
