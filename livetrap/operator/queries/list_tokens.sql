-- Return the tokens of the API, newest first.
select
    api_token.id,
    api_token.name,
    api_token.scopes,
    api_token.time_created,
    api_token.time_expires,
    api_token.time_last_used,
    api_token.time_revoked,
    case
        when api_token.time_revoked is not null then 'revoked'
        when api_token.time_expires <= now() then 'expired'
        else 'valid'
    end as state
from api_token
order by api_token.id desc
