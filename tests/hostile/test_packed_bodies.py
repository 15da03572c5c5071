"""Bodies that unpack to much, that are announced and never sent, and tokens that are none."""

import asyncio
import gzip
import zlib
from collections.abc import MutableMapping
from typing import Any

import pytest
import structlog

from tests.hostile.test_api_floods import TOKEN, Request, app
from tests.support.limited_server import serve_limited

PATHS = [
    ("POST", "/api/v1/monitors"), ("POST", "/api/v1/subscriptions"), ("POST", "/vo/tap/sync"),
    ("POST", "/api/v1/subscriptions/dry-run"), ("POST", "/api/v1/rules/trial"),
]  # fmt: skip
LIMITS: dict[str, Any] = {"write_token": TOKEN, "request_timeout_s": 0.1}
# 50 MB each, in less than the 64 kB that a body may have.
ZEROS = b'{"name": "' + b"0" * 50_000_000 + b'"}'
BOMBS = {
    "gzip": gzip.compress(ZEROS),
    "deflate": zlib.compress(ZEROS),
    "zstd": b"\x28\xb5\x2f\xfd\x04\x00" + b"\x02\x00\x00" * 20_000,
    "br": b"\xcf\xff\xff\x7f\xf8" + b"0" * 60_000,
    "gzip, gzip": gzip.compress(gzip.compress(ZEROS)),
}


class Body(Request):
    """A request with a body."""

    def __init__(self, method: str, path: str, body: bytes, **headers: str) -> None:
        super().__init__(
            method, path, headers={"Content-Length": str(len(body)), **headers}, chunks=1
        )
        self._sent = body

    async def receive(self) -> dict[str, Any]:
        message = await super().receive()
        return {**message, "body": self._sent} if message["type"] == "http.request" else message


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize("coding", BOMBS)
async def test_a_packed_body_is_not_unpacked(
    method: str, path: str, coding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unpack(*_: object, **__: object) -> None:
        raise AssertionError("it was unpacked")

    monkeypatch.setattr(zlib, "decompressobj", unpack)
    monkeypatch.setattr(zlib, "decompress", unpack)
    assert len(BOMBS[coding]) < 65_536
    request = Body(
        method, path, BOMBS[coding],
        **{"Content-Encoding": coding, "Content-Type": "application/json",
           "Authorization": f"Bearer {TOKEN}"},
    )  # fmt: skip
    await request.answered_by(app(write_token=TOKEN))
    assert 400 <= request.status < 500
    assert len(request.body) < 10_000


async def say(port: int, *lines: str) -> bytes:
    """Send a request, and nothing of its body; return all that is answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write("\r\n".join([*lines, "", ""]).encode())
    async with asyncio.timeout(60):
        answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize("length", ["Content-Length: 9", "Transfer-Encoding: chunked"])
async def test_a_body_that_is_announced_and_never_sent_is_waited_for_no_longer_than_any(
    length: str,
) -> None:
    request = ("POST /api/v1/monitors HTTP/1.1", "Host: a", "Expect: 100-continue", length)
    async with serve_limited(app(**LIMITS), **LIMITS) as port:
        answer = await say(port, *request)
        assert answer.startswith(b"HTTP/1.1 401")  # nobody asks for a body that is not read
        answer = await say(port, *request, f"Authorization: Bearer {TOKEN}")
        assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 408")


async def test_a_long_body_is_refused_before_it_is_asked_for() -> None:
    async with serve_limited(app(**LIMITS), **LIMITS) as port:
        answer = await say(
            port, "POST /api/v1/monitors HTTP/1.1", "Host: a", "Expect: 100-continue",
            "Content-Length: 200000000", f"Authorization: Bearer {TOKEN}",
        )  # fmt: skip
        assert answer.startswith(b"HTTP/1.1 413")


@pytest.fixture
def logs() -> Any:
    with structlog.testing.capture_logs() as captured:
        yield captured


NO_TOKENS = [
    b"Bearer", b"Bearer ", b"Bearer  \t ", b"bearer x y", b"Bearer " + b"x" * 60_000,
    b"Bearer \xff\xfe",
    b"Bearer \x00", b"Bearer lt_" + b"0" * 64, b"Bearer lt_" + b"\xe9" * 40, b"Bearer ' or 1=1 --",
    b"Basic eDp5", b"\xc2\xa0Bearer x", b"Bearer,x", b"Bearer\xa0x", b"",
]  # fmt: skip


@pytest.mark.parametrize("header", NO_TOKENS, ids=lambda each: ascii(each)[:20])
async def test_what_is_no_token_is_refused_and_leaves_no_line(
    header: bytes, logs: list[MutableMapping[str, Any]]
) -> None:
    served = app(write_token=TOKEN)
    for method, path in PATHS[:2]:
        request = Request(method, path, chunks=3)
        request.scope["headers"] = [(b"authorization", header)]
        await request.answered_by(served)
        assert (request.status, request.n_read) == (401, 0)
        assert len(header) <= 12 or header[10:60] not in request.body
    assert logs == []
