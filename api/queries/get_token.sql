-- Return a token by its digest, with whether it is still valid.
--
-- $1  token_sha256  bytea
-- Index: the unique one on token_sha256.
select
    api_token.id,
    api_token.name,
    api_token.scopes,
    api_token.time_revoked,
    api_token.time_expires,
    coalesce(api_token.time_expires <= now(), false) as is_expired,
    coalesce(api_token.time_last_used > now() - interval '1 minute', false) as is_use_known
from api_token
where api_token.token_sha256 = $1::bytea
