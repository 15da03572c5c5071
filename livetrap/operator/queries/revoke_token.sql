-- Revoke the token of a name; return no row if there is none in use.
--
-- $1  name  text
-- Index: api_token (name) where time_revoked is null.
update api_token
set
    time_revoked = now()
where
    api_token.name = $1::text
    and api_token.time_revoked is null
returning api_token.id
