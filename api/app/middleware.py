"""What every request passes: metrics, a limit of its body, and headers of its answer."""

import time

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.app.problem_details import to_problem
from api.metrics import REQUEST_SECONDS, REQUESTS

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


def install(app: FastAPI) -> None:
    """Add the middleware to `app`."""
    app.add_middleware(_Middleware)


class _Middleware:
    """Counts a request when its answer begins: a stream may go on for days."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_s = time.perf_counter()

        async def send_measured(message: Message) -> None:
            if message["type"] == "http.response.start":
                # Only known routes are labels: the paths that scanners try are endless.
                route = getattr(scope.get("route"), "path", "none")
                REQUESTS.labels(route, str(message["status"])).inc()
                REQUEST_SECONDS.labels(route).observe(time.perf_counter() - started_s)
                MutableHeaders(scope=message).update(_SECURITY_HEADERS)
            await send(message)

        exchange = _Exchange(scope, receive, send_measured)
        await self._app(scope, exchange.receive, exchange.send)


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
