-- Store a token of the API; return no row if one of its name is in use.
--
-- $1  name          text
-- $2  token_sha256  bytea
-- $3  scopes        text[]
-- $4  time_expires  timestamptz  null: never
-- Index: api_token (name) where time_revoked is null.
insert into api_token (name, token_sha256, scopes, time_expires)
values ($1::text, $2::bytea, $3::text[], $4::timestamptz)
on conflict (name) where time_revoked is null do nothing
returning api_token.id
