"""Who may write: bearer tokens and their scopes."""

import secrets
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.errors import ProblemError
from api.handlers.context import ApiContext, get_context
from api.metrics import TOKENS_REFUSED
from runtime.api_tokens import SCOPES, Scope, hash_token, is_token
from runtime.errors import TransientError
from runtime.postgres import UNAVAILABLE_ERRORS

__all__ = [
    "SETTING",
    "BearerParameter",
    "Writer",
    "WriterParameter",
    "authorize",
    "is_valid_token",
    "owner_of",
    "token_first_route",
]

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_BEARER = HTTPBearer(auto_error=False, description="As `livetrap tokens create` prints it")
BearerParameter = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
# The one token of the settings has no name of its own.
SETTING = "LIVETRAP_API__WRITE_TOKEN"


@dataclass(frozen=True, slots=True)
class Writer:
    """Someone who may write.

    Parameters
    ----------
    context : ApiContext
        What the handlers share.
    name : str
        Of the token; stands in the audit.
    """

    context: ApiContext
    name: str

    async def write(self, query: str, **parameters: object) -> Sequence[Mapping[str, Any]]:
        """Run a statement that changes rows, in the name of the token; otherwise as `fetch`."""
        return await self.context.database.write(query, actor=self.name, **parameters)

    async def write_in_turn(
        self, turn: str, query: str, **parameters: object
    ) -> Sequence[Mapping[str, Any]]:
        """Run a statement that counts before it writes, in the name of the token."""
        database = self.context.database
        return await database.write_in_turn(turn, query, actor=self.name, **parameters)


def token_first_route(scope: Scope, *, reading: bool = False) -> type[APIRoute]:
    """Return routes that look at the token of a request before they read its body.

    Parameters
    ----------
    scope : str
        What the token has to allow.
    reading : bool
        Whether requests that read need the token too.
    """

    class TokenFirstRoute(APIRoute):
        """A route whose requests need a token."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            """Return what answers a request."""
            handle = super().get_route_handler()
            if not reading and (self.methods or set()) <= _READING:
                return handle

            async def handle_authorized(request: Request) -> Response:
                context = await get_context(request)
                bearer = await _BEARER(request)
                request.state.writer = await authorize(context, bearer, scope)
                return await handle(request)

            return handle_authorized

    return TokenFirstRoute


async def _writer(request: Request, _: BearerParameter) -> Writer:
    """Return who was authorized; the dependency on the bearer is for openapi.json."""
    writer: Writer = request.state.writer
    return writer


WriterParameter = Annotated[Writer, Depends(_writer)]


def owner_of(writer: Writer) -> str | None:
    """Return whose subscriptions a token may see; None: everybody's."""
    return None if writer.name == SETTING else writer.name


async def authorize(
    context: ApiContext, bearer: HTTPAuthorizationCredentials | None, scope: Scope
) -> Writer:
    """Return who sent a token.

    Raises
    ------
    ProblemError
        401 without a valid token, 403 if it does not allow `scope`.
    """
    if bearer is None:
        raise _refuse("missing", f"this needs a token with scope {scope}")
    name, scopes = await _look_up(context, bearer.credentials)
    if scope not in scopes:
        TOKENS_REFUSED.labels("scope").inc()
        raise ProblemError(403, f"token {name} has scope {', '.join(scopes)}; this needs {scope}")
    return Writer(context, name)


async def _look_up(context: ApiContext, token: str) -> tuple[str, Sequence[str]]:
    """Return the name of a token and its scopes."""
    if _is_of_settings(context, token):
        return SETTING, SCOPES
    if not is_token(token):
        raise _refuse("unknown", "the token is wrong")
    rows = await context.database.fetch("get_token", token_sha256=hash_token(token))
    if not rows:
        raise _refuse("unknown", "the token is wrong")
    row = rows[0]
    if row["time_revoked"] is not None:
        raise _refuse("revoked", f"token {row['name']} was revoked")
    if row["is_expired"]:
        raise _refuse("expired", f"token {row['name']} expired at {row['time_expires']:%FT%TZ}")
    if not row["is_use_known"]:
        await context.database.write("touch_token", actor=None, id=row["id"])
    return row["name"], row["scopes"]


def _is_of_settings(context: ApiContext, token: str) -> bool:
    setting = context.settings.write_token
    return setting is not None and secrets.compare_digest(
        token.encode(), setting.get_secret_value().encode()
    )


async def is_valid_token(context: ApiContext, token: str) -> bool:
    """Return whether a token is valid, whatever it allows; no token is while none can be read."""
    if _is_of_settings(context, token):
        return True
    if not is_token(token):
        return False
    try:
        rows = await context.database.fetch("get_token", token_sha256=hash_token(token))
    except (TransientError, *UNAVAILABLE_ERRORS):
        return False
    return any(row["time_revoked"] is None and not row["is_expired"] for row in rows)


def _refuse(reason: str, words: str) -> ProblemError:
    TOKENS_REFUSED.labels(reason).inc()
    return ProblemError(
        401, f"{words}: send `Authorization: Bearer <token>`; `livetrap tokens create` makes one"
    )
