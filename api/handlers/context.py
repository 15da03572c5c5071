"""What the handlers of a process share, and who may write."""

import secrets
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.errors import ProblemError, unknown_stream
from api.steps.alert_stream import AlertStream
from api.steps.statistics_copy import StatisticsCopy
from api.steps.stream_limiter import StreamLimiter
from api.storage.database import Database
from runtime.settings import ApiSettings

__all__ = [
    "ApiContext",
    "ClientAddress",
    "Context",
    "TokenFirstRoute",
    "WriteContext",
    "get_context",
    "refuse_unknown_stream",
]


@dataclass(frozen=True, slots=True)
class ApiContext:
    """What the handlers of a process share.

    Parameters
    ----------
    database : Database
        Connections to PostgreSQL.
    alert_stream : AlertStream
        New alerts for the clients of ``/alerts/stream``.
    statistics_copy : StatisticsCopy
        Renews the copy by which the catalogue is filtered and ordered.
    streams : StreamLimiter
        How many of them may be open.
    settings : ApiSettings
        Section ``api`` of the settings.
    """

    database: Database
    alert_stream: AlertStream
    statistics_copy: StatisticsCopy
    streams: StreamLimiter
    settings: ApiSettings


async def get_context() -> ApiContext:
    """Return the context of the application; `create_app` replaces this dependency."""
    raise RuntimeError("the application was built without a context")


async def refuse_unknown_stream(
    context: ApiContext, rows: Sequence[object], stream: str | None
) -> None:
    """Refuse the name of a stream that does not exist, which an empty list would hide.

    Raises
    ------
    ProblemError
        404 if `rows` is empty and there is no such stream.
    """
    if rows or stream is None:
        return
    known = [row["name"] for row in await context.database.fetch("list_stream_names")]
    if stream not in known:
        raise unknown_stream(stream, known)


async def _client_address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


Context = Annotated[ApiContext, Depends(get_context)]
ClientAddress = Annotated[str, Depends(_client_address)]
_BEARER = HTTPBearer(auto_error=False, description="Value of LIVETRAP_API__WRITE_TOKEN")
_Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


async def _authorize(context: Context, bearer: _Bearer) -> ApiContext:
    token = context.settings.write_token
    if token is None:
        raise ProblemError(403, "this service is read-only; set LIVETRAP_API__WRITE_TOKEN")
    if bearer is None:
        raise ProblemError(401, "writing needs the header `Authorization: Bearer <token>`")
    if not secrets.compare_digest(bearer.credentials.encode(), token.get_secret_value().encode()):
        raise ProblemError(401, "the token is wrong; it is the value of LIVETRAP_API__WRITE_TOKEN")
    return context


WriteContext = Annotated[ApiContext, Depends(_authorize)]


class TokenFirstRoute(APIRoute):
    """A route that looks at the token of a request to write before it reads the body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        handle = super().get_route_handler()
        if (self.methods or set()) <= _READING:
            return handle

        async def handle_authorized(request: Request) -> Response:
            provide = request.app.dependency_overrides[get_context]
            await _authorize(await provide(), await _BEARER(request))
            return await handle(request)

        return handle_authorized
