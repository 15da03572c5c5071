"""Connections of clients: how long a request may take to arrive, how many an address may have."""

import asyncio
from collections import Counter
from typing import Any

import orjson
from uvicorn.middleware.proxy_headers import _TrustedHosts
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.metrics import CONNECTIONS_ENDED
from runtime.listening import party_of, site_of
from runtime.places import SITE_SHARE
from runtime.settings import ApiSettings

__all__ = ["limited_protocol"]

_HEAD = (
    "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\ncontent-length: {length}\r\n"
)
_TITLES = {
    408: "Request timeout",
    431: "Request header fields too large",
    503: "Service unavailable",
}
# Of a request all but its body: address, headers, sizes of chunks, trailers. The parser keeps what
# it has, however much that is.
_MAX_HEAD_BYTES = 65_536
# A browser sends twenty headers; no path has fifty parameters.
_MAX_HEADERS = _MAX_PARAMETERS = 200
# Requests of a connection that wait for the answers before theirs: no client of today sends any.
_MAX_WAITING = 10


class _ExcessError(Exception):
    """A client sends too much: the parser ends with it, and the connection with a 400."""


def limited_protocol(settings: ApiSettings) -> type[HttpToolsProtocol]:
    """Return the protocol of a server that limits its connections.

    uvicorn waits for the rest of a request for ever, and makes the protocol of a connection
    itself: what it shall know is bound to its class.

    Parameters
    ----------
    settings : ApiSettings
        Section ``api`` of the settings.
    """
    n_open: Counter[str] = Counter()

    class LimitedProtocol(_LimitedProtocol):
        _n_open = n_open
        _max_per_host = settings.max_connections_per_host
        _request_timeout_s = settings.request_timeout_s
        # As uvicorn reads them: whose header is believed, and who is not counted, are the same.
        _proxies = _TrustedHosts(list(settings.proxies))

    return LimitedProtocol


class _LimitedProtocol(HttpToolsProtocol):
    """An HTTP connection that ends when a request does not arrive in time, or is too long."""

    _n_open: Counter[str]
    _max_per_host: int
    _request_timeout_s: float
    _proxies: _TrustedHosts

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        # Where it is counted, and how many may be.
        self._counted: dict[str, int] = {}
        self._n_head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Take a connection; refuse one too many of an address."""
        super().connection_made(transport)
        host = self.client[0] if self.client else ""
        if host not in self._proxies:
            self._counted = _limits_of(host, self._max_per_host)
            self._n_open.update(self._counted.keys())
            if any(self._n_open[key] > most for key, most in self._counted.items()):
                self._end(
                    503,
                    "too_many",
                    f"your address has {self._max_per_host} connections open; close one",
                )
                return
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        for key in self._counted:
            self._n_open[key] -= 1
            if not self._n_open[key]:
                del self._n_open[key]
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a part of a request; blank lines before one are a part of it too."""
        self._n_head_bytes += len(data)
        super().data_received(data)
        if self._n_head_bytes > _MAX_HEAD_BYTES and not self.transport.is_closing():
            detail = f"a request may have {_MAX_HEAD_BYTES} bytes beside its body"
            self._end(431, "long_head", detail)
            return
        is_idle = self.cycle is None or self.cycle.response_complete
        if is_idle and self._deadline is None and self.timeout_keep_alive_task is None:
            self._await_request()

    def on_message_begin(self) -> None:
        """Start the time of a request; on a new connection it has started already."""
        if len(self.pipeline) >= _MAX_WAITING:
            CONNECTIONS_ENDED.labels("pipelined").inc()
            raise _ExcessError
        super().on_message_begin()
        if self._deadline is None:
            self._await_request()

    def on_url(self, url: bytes) -> None:
        """Take a part of the address: a name of each parameter would be looked up."""
        super().on_url(url)
        if self.url.count(b"&") >= _MAX_PARAMETERS:
            CONNECTIONS_ENDED.labels("many_parameters").inc()
            raise _ExcessError

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header: each look for one goes through all of them."""
        if len(self.headers) >= _MAX_HEADERS:
            CONNECTIONS_ENDED.labels("many_headers").inc()
            raise _ExcessError
        super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body, which others limit."""
        self._n_head_bytes -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Stop the time of a request: all of it is there."""
        self._stop_waiting()
        self._n_head_bytes = 0
        super().on_message_complete()

    def _await_request(self) -> None:
        self._deadline = self.loop.call_later(self._request_timeout_s, self._give_up)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        detail = f"the request did not arrive within {self._request_timeout_s:g} s"
        self._end(408, "incomplete_request", detail)

    def _end(self, status: int, reason: str, detail: str) -> None:
        """Say why, unless an answer is under way, and close the connection."""
        CONNECTIONS_ENDED.labels(reason).inc()
        if self._is_unanswered():
            self.transport.write(_to_message(status, detail))
        self.transport.close()

    def _is_unanswered(self) -> bool:
        """Return whether no answer to the newest request has begun, nor is one under way."""
        if self.cycle is None:
            return True
        if self.cycle.scope is self.scope:
            return not self.cycle.response_started
        return self.cycle.response_complete


def _limits_of(host: str, most: int) -> dict[str, int]:
    """Return how many connections an address may have, and its customer with all networks."""
    return {site_of(host): SITE_SHARE * most} | {party_of(host): most}


def _to_message(status: int, detail: str) -> bytes:
    problem = {"type": "about:blank", "title": _TITLES[status], "status": status, "detail": detail}
    body = orjson.dumps(problem)
    head = (
        f"HTTP/1.1 {status} {_TITLES[status]}",
        "content-type: application/problem+json",
        f"content-length: {len(body)}",
        "connection: close",
        "retry-after: 2",
    )
    return "\r\n".join([*head, "", ""]).encode() + body
