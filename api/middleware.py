"""What happens to every request: it is counted, and its answer may only load what is ours."""

import time

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.metrics import REQUEST_SECONDS, REQUESTS

__all__ = ["install"]

_SECURITY = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def install(app: FastAPI) -> None:
    """Let every request of `app` pass here."""
    app.add_middleware(_Measured)


class _Measured:
    """Count a request when its answer begins; a stream goes on long after that."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_s = time.perf_counter()

        async def send_measured(message: Message) -> None:
            if message["type"] == "http.response.start":
                # Only known routes are labels: addresses that strangers try would never end.
                route = getattr(scope.get("route"), "path", "none")
                REQUESTS.labels(route, str(message["status"])).inc()
                REQUEST_SECONDS.labels(route).observe(time.perf_counter() - started_s)
                MutableHeaders(scope=message).update(_SECURITY)
            await send(message)

        await self._app(scope, receive, send_measured)
