"""A server of its own: requests that never end or are too long, and too many connections."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tests.support.limited_server import serve_limited


async def application(scope: Any, receive: Any, send: Any) -> None:
    while scope["path"] == "/read" and (await receive()).get("more_body"):
        pass
    if scope["path"] == "/slow":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await asyncio.Event().wait()
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", b"2")]})  # fmt: skip
    await send({"type": "http.response.body", "body": b"ok"})


async def read_all_after(port: int, *parts: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in parts:
        writer.write(part)
        await writer.drain()
    async with asyncio.timeout(60):
        answer = await reader.read()
    writer.close()
    return answer


def n_ended(reason: str) -> float:
    name = "livetrap_api_connections_ended_total"
    return REGISTRY.get_sample_value(name, {"reason": reason}) or 0.0


@pytest.mark.parametrize(
    "begin",
    [b"", b"G", b"\r\n", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nX-",
     b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n1"],
)  # fmt: skip
async def test_who_sends_half_a_request_is_told_and_hung_up_on(begin: bytes) -> None:
    before = n_ended("incomplete_request")
    async with serve_limited(application, request_timeout_s=0.05) as port:
        answer = await read_all_after(port, begin)
    if begin.startswith(b"POST"):  # this application answers without reading the body
        assert answer.startswith(b"HTTP/1.1 200")
    else:
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"did not arrive within 0.05 s" in answer
    assert n_ended("incomplete_request") == before + 1


@pytest.mark.parametrize(("rest", "status"), [(b"G", b"HTTP/1.1 408"), (b"\r\n", b"")])
async def test_half_a_second_request_is_hung_up_on_too(rest: bytes, status: bytes) -> None:
    async with serve_limited(application, request_timeout_s=0.05) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(60):
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
            writer.write(rest)
            assert (await reader.read())[:12] == status
        writer.close()


async def test_an_answer_may_take_longer_than_a_request() -> None:
    async with serve_limited(application, request_timeout_s=0.05) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        async with asyncio.timeout(60):
            await reader.readuntil(b"x\r\n")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.3)
        writer.close()


async def test_one_address_has_its_share_of_the_connections_and_gets_it_back() -> None:
    async with serve_limited(application, max_connections_per_host=3) as port:
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        answer = await read_all_after(port)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"your address has 3 connections open" in answer
        for _, writer in opened:
            writer.close()
            await writer.wait_closed()
        async with asyncio.timeout(60):
            request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            while b"ok" not in await read_all_after(port, request):  # noqa: ASYNC110  (polled)
                await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("proxies", "status"),
    [
        (["127.0.0.1"], b"200"), (["::1", "127.0.0.0/8"], b"200"), (["*"], b"200"),
        (["127.0.0.0/32", "10.244.0.0/16"], b"503"), ([], b"503"),
    ],
)  # fmt: skip
async def test_connections_of_a_proxy_are_not_counted(proxies: list[str], status: bytes) -> None:
    async with serve_limited(application, max_connections_per_host=1, proxies=proxies) as port:
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        assert (await read_all_after(port, request)).startswith(b"HTTP/1.1 " + status)
        for _, writer in opened:
            writer.close()


async def flood(port: int, begin: bytes, part: bytes) -> bytes:
    """Send parts until the server ends the connection; return what it said."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(begin)
    with suppress(ConnectionError):
        async with asyncio.timeout(60):
            while not reader.at_eof() and not writer.is_closing():
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0)
    said = b""
    with suppress(ConnectionError):  # what was not read resets the connection
        said = await reader.read()
    writer.close()
    return said


CHUNKED = b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("begin", "part"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ", b"a" * 10_000),
        (b"GET /?", b"a=b;" * 2000),
        (b"\r\n", b"\r\n" * 5000),
        (CHUNKED + b"1;", b"extension" * 1000),
        (CHUNKED + b"0\r\nX-Trailer: ", b"a" * 10_000),
    ],
    ids=["header", "address", "blank lines", "extension of a chunk", "trailer"],
)
async def test_a_request_is_ended_that_is_long_beside_its_body(begin: bytes, part: bytes) -> None:
    before = n_ended("long_head")
    # Nothing but its length ends it.
    async with serve_limited(application, request_timeout_s=600) as port:
        said = await flood(port, begin, part)
        assert n_ended("long_head") == before + 1
        assert said == b"" or said.startswith((b"HTTP/1.1 431", b"HTTP/1.1 200"))


async def test_a_long_body_is_no_long_head() -> None:
    request = b"POST /read HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    length = b"Content-Length: 1000000\r\n\r\n"
    async with serve_limited(application) as port:
        answer = await read_all_after(port, request + length, *[b"a" * 100_000] * 10)
    assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("begin", "part", "reason"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n", b"X: y\r\n" * 50, "many_headers"),
        (CHUNKED + b"0\r\n", b"X: y\r\n" * 50, "many_headers"),
        (b"GET /?", b"a=b&" * 50, "many_parameters"),
        (b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n" * 10, "pipelined"),
    ],
    ids=["headers", "trailers", "parameters", "requests"],
)
async def test_a_connection_is_ended_that_brings_too_many(
    begin: bytes, part: bytes, reason: str
) -> None:
    before = n_ended(reason)
    async with serve_limited(application, request_timeout_s=600) as port:
        await flood(port, begin, part)
        assert n_ended(reason) == before + 1


async def test_a_few_requests_may_wait_for_the_answers_before_theirs() -> None:
    request = b"GET / HTTP/1.1\r\nHost: x\r\n"
    async with serve_limited(application) as port:
        answer = await read_all_after(
            port, (request + b"\r\n") * 8 + request + b"Connection: close\r\n\r\n"
        )
    assert answer.count(b"HTTP/1.1 200") == 9
