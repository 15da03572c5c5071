"""What every request passes: metrics, methods without a body, limits, headers of its answer."""

import asyncio
import math
import time
from collections.abc import Sequence

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.routing import Match, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.app.problem_details import to_problem
from api.app.shared_answers import SharedAnswers
from api.metrics import REQUEST_SECONDS, REQUESTS, REQUESTS_REFUSED
from api.steps.request_limiter import RequestLimiter

__all__ = ["install"]

# The longest body that means anything here is an ADQL query.
_MAX_BODY_BYTES = 65_536
_SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_SHARED_LISTS = frozenset(
    f"/api/v1/{name}" for name in ("transients", "sources", "images", "alerts", "streams", "bands")
)
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_READ_METHODS = ("GET", "HEAD", "OPTIONS")
_EXPOSED_HEADERS = ("ETag", "Content-Disposition", "Retry-After", "X-LiveTrap-Query")
_PREFLIGHT_AGE_S = 86_400


def install(
    app: FastAPI,
    *,
    cors_origins: Sequence[str],
    shared_answer_s: float,
    limiter: RequestLimiter,
) -> None:
    """Add the middleware to `app`.

    Parameters
    ----------
    app : FastAPI
        Application.
    cors_origins : sequence of str
        Origins whose pages may read its answers; ``*`` is any.
    shared_answer_s : float
        Age up to which an answer of a list is given again to the same question [s].
    limiter : RequestLimiter
        Says which requests are answered.
    """
    app.add_middleware(
        _Middleware, router=app.router, shared_answer_s=shared_answer_s, limiter=limiter
    )
    # A page of another origin may read, and not write: it could do so with the user's token.
    app.add_middleware(
        CORSMiddleware,
        allow_origins=cors_origins,
        allow_methods=_READ_METHODS,
        allow_headers=["*"],
        expose_headers=_EXPOSED_HEADERS,
        max_age=_PREFLIGHT_AGE_S,
    )


class _Middleware:
    """Counts a request when its answer begins: a stream may go on for days."""

    def __init__(
        self, app: ASGIApp, *, router: Router, shared_answer_s: float, limiter: RequestLimiter
    ) -> None:
        self._app = app
        self._limiter = limiter
        self._router = router
        self._shared = SharedAnswers(app, paths=_SHARED_LISTS, max_age_s=shared_answer_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_s = time.perf_counter()

        async def send_measured(message: Message) -> None:
            if message["type"] == "http.response.start":
                # Only known routes are labels: the paths that scanners try are endless.
                # A shared answer has no route; its path is one.
                route = getattr(scope.get("route"), "path", None) or (
                    scope["path"] if scope["path"] in _SHARED_LISTS else "none"
                )
                REQUESTS.labels(route, str(message["status"])).inc()
                REQUEST_SECONDS.labels(route).observe(time.perf_counter() - started_s)
                MutableHeaders(scope=message).update(_SECURITY_HEADERS)
            await send(message)

        if (wait_s := await self._book(scope)) > 0:
            REQUESTS_REFUSED.inc()
            await _refuse(wait_s, scope, receive, send_measured)
        elif scope["method"] == "OPTIONS":
            await self._answer_options(scope, receive, send_measured)
        elif scope["method"] == "HEAD":
            # As GET, without the body.
            scope["method"] = "GET"
            head = _Head(receive, send_measured)
            await self._app(scope, head.receive, head.send)
        else:
            exchange = _Exchange(scope, receive, send_measured)
            await self._shared(scope, exchange.receive, exchange.send)

    async def _book(self, scope: Scope) -> float:
        """Return 0 for a request that is answered, else when it may come again [s]."""
        host = scope["client"][0] if scope["client"] else ""
        kind, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        given = token.strip() if kind.lower() == "bearer" else None
        return await self._limiter.spend(host, given or None, time.monotonic())

    async def _answer_options(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer which methods a path has."""
        found = [method for method in _METHODS if self._has(scope, method)]
        if not found:
            await self._app(scope, receive, send)
            return
        allowed = ", ".join([*found, "OPTIONS"])
        await Response(status_code=204, headers={"Allow": allowed})(scope, receive, send)

    def _has(self, scope: Scope, method: str) -> bool:
        asked = {**scope, "method": "GET" if method == "HEAD" else method}
        return any(route.matches(asked)[0] == Match.FULL for route in self._router.routes)


async def _refuse(wait_s: float, scope: Scope, receive: Receive, send: Send) -> None:
    detail = (
        "too many requests of your address or token: wait as Retry-After says; a token of its own "
        "(`livetrap tokens create`) counts apart from its address"
    )
    answer = to_problem(429, detail, scope["path"])
    answer.headers["Retry-After"] = str(math.ceil(wait_s))
    await answer(scope, receive, send)


class _Head:
    """A request for the headers of an answer; a stream ends when they are sent."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._is_sent = asyncio.Event()
        self._is_read = False

    async def receive(self) -> Message:
        """Return an empty body; then the end, once the headers are sent."""
        if not self._is_read:
            self._is_read = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._is_sent.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Send the headers, and nothing else."""
        if message["type"] == "http.response.start":
            await self._send(message)
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            self._is_sent.set()


class _Exchange:
    """A request whose body is limited; a longer one is answered here, before it is read."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._is_too_long = _is_too_long(Headers(scope=scope).get("content-length", "0"))
        self._n_bytes = 0
        self._is_answered = self._is_refused = False

    async def receive(self) -> Message:
        """Return the next part of the body; nothing follows one that is too long."""
        if not self._is_too_long:
            message = await self._receive()
            self._n_bytes += len(message.get("body", b""))
            self._is_too_long = self._n_bytes > _MAX_BODY_BYTES
            if not self._is_too_long:
                return message
        if not self._is_answered:
            await self._refuse()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Send a part of the answer, unless the request was refused."""
        self._is_answered = True
        if not self._is_refused:
            await self._send(message)

    async def _refuse(self) -> None:
        detail = f"the body may have {_MAX_BODY_BYTES} bytes"
        answer = to_problem(413, detail, self._scope["path"])
        await answer(self._scope, self._receive, self._send)
        self._is_answered = self._is_refused = True


def _is_too_long(content_length: str) -> bool:
    return not content_length.isdecimal() or int(content_length[:20]) > _MAX_BODY_BYTES
