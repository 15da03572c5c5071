"""Requests whose length can be read in two ways: what follows is never a request of its own."""

from typing import Any

import pytest

from tests.support.limited_server import serve_limited
from tests.unit.api.app.test_connections import application, read_all_after

HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
_LENGTH = b"Content-Length: %d\r\n" % len(HIDDEN)
# Headers that one server reads as the length of a body, and another one does not.
HEADERS = {
    "both": b"Transfer-Encoding: chunked\r\n" + _LENGTH,
    "both, the other order": _LENGTH + b"Transfer-Encoding: chunked\r\n",
    "two lengths": b"Content-Length: 0\r\n" + _LENGTH,
    "two lengths in one": b"Content-Length: 0, %d\r\n" % len(HIDDEN),
    "signed": b"Content-Length: +%d\r\n" % len(HIDDEN),
    "negative": b"Content-Length: -1\r\n",
    "hexadecimal": b"Content-Length: 0x0\r\n",
    "space before the colon": b"Content-Length : %d\r\n" % len(HIDDEN),
    "folded": b"Content-Length:\r\n 0\r\n",
    "letters after it": b"Content-Length: 0abc\r\n",
    "unknown coding": b"Transfer-Encoding: xchunked\r\n",
    "chunked first": b"Transfer-Encoding: chunked, identity\r\n",
    "quoted": b'Transfer-Encoding: "chunked"\r\n',
    "tab": b"Transfer-Encoding:\tchunked\r\n" + _LENGTH,
    "vertical tab": b"Transfer-Encoding:\x0bchunked\r\n" + _LENGTH,
    "zero in the name": b"Content-Len\x00gth: 0\r\n",
    "bare line feeds": b"X: a\nTransfer-Encoding: chunked\n" + _LENGTH,
}
BODIES = (HIDDEN, b"0\r\n\r\n" + HIDDEN, b"0\n\n" + HIDDEN, b"\r\n" + HIDDEN)


async def ask(header: bytes, body: bytes) -> list[str]:
    """Send a request with a header and what follows it; return the addresses of requests."""
    begin = b"POST /read HTTP/1.1\r\nHost: a\r\n" + header + b"\r\n"
    seen: list[str] = []

    async def recorded(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["path"])
        await application(scope, receive, send)

    async with serve_limited(recorded, request_timeout_s=0.5) as port:
        await read_all_after(port, begin, body)
    return seen


async def test_a_request_behind_another_one_is_answered() -> None:
    seen = await ask(b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n" + HIDDEN)
    assert seen == ["/read", "/hidden"]


@pytest.mark.parametrize("name", HEADERS)
async def test_what_is_the_body_to_one_server_is_no_request_to_this_one(name: str) -> None:
    for body in BODIES:
        assert "/hidden" not in await ask(HEADERS[name], body), body
