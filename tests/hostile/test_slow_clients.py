"""A thousand clients that never finish a request and five hundred that hardly read an answer.

`SLOW_CLIENTS_S` says how long others are served meanwhile, 1 s by default; `make test` has no time
for the two minutes of an attack. With `-s` the latencies of the others are printed.
"""

import asyncio
import os
import resource
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import numpy as np
import pytest

from tests.support.api_rows import rows_of
from tests.support.api_service import server

_DURATION_S = float(os.environ.get("SLOW_CLIENTS_S", "1"))
_HALF_SENT, _SLOW = 1000, 500
# An address may have 256 connections.
_PER_ADDRESS = 250
_REQUEST_TIMEOUT_S = 3
_WAIT_S = 120
_LARGE = "/api/v1/openapi.json"
_OTHERS = ("/api/v1/transients", "/api/v1/sources?limit=5", "/readyz")

# Descriptors of the test, and of the server, which inherits its limit.
_DESCRIPTORS = 4096

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture(autouse=True)
def many_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < _DESCRIPTORS:
        pytest.skip(f"a process may have {hard} open files here, {_DESCRIPTORS} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, _DESCRIPTORS), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@asynccontextmanager
async def connections(
    port: int, number: int, *, first_host: int, say: Callable[[int], bytes]
) -> AsyncIterator[list[Stream]]:
    """Open connections from as many addresses as they need; their kernel takes little ahead.

    Each says something at once: the time that a request may take begins with its connection.
    """
    async with AsyncExitStack() as opened:
        streams = []
        for each in range(number):
            plain = socket.socket()
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            plain.bind((f"127.0.0.{first_host + each // _PER_ADDRESS}", 0))
            plain.settimeout(0)
            await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", port))
            stream = await asyncio.open_connection(sock=plain, limit=1024)
            opened.callback(stream[1].close)
            stream[1].write(say(each))
            streams.append(stream)
        yield streams


def half_a_request(number: int) -> bytes:
    begin = b"GET /api/v1/transients HTTP/1.1\r\nHost: x\r\nX-Slow: "
    return begin[: 1 + number % len(begin)]


def large_request(_: int) -> bytes:
    return f"GET {_LARGE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()


async def serve_others(address: str) -> list[float]:
    """Ask as others do, again and again; return how long each answer took [s]."""
    taken_s = []
    async with httpx.AsyncClient(base_url=address, timeout=_WAIT_S) as client:
        deadline_s = time.monotonic() + _DURATION_S
        while time.monotonic() < deadline_s or len(taken_s) < 10 * len(_OTHERS):
            for path in _OTHERS:
                begun_s = time.monotonic()
                assert (await client.get(path)).status_code == 200
                taken_s.append(time.monotonic() - begun_s)
    return taken_s


async def test_others_are_served_while_slow_clients_are_hung_up_on(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVETRAP_API__REQUEST_TIMEOUT_S", str(_REQUEST_TIMEOUT_S))
    async with rows_of(postgres_url), server(postgres_url, fork=False) as (address, _):
        port = httpx.URL(address).port or 0
        plain = {"Accept-Encoding": "identity"}
        async with httpx.AsyncClient(headers=plain, timeout=_WAIT_S) as client:
            whole = (await client.get(address + _LARGE)).content
        async with (
            asyncio.timeout(_WAIT_S),
            connections(port, _HALF_SENT, first_host=2, say=half_a_request) as half_sent,
            connections(port, _SLOW, first_host=20, say=large_request) as slow,
        ):
            for reader, _ in slow:
                assert await reader.readexactly(1) == b"H"
            taken_s = await serve_others(address)
            told = await asyncio.gather(*(reader.read() for reader, _ in half_sent))
            assert {each.split(b" ")[1] for each in told} == {b"408"}
            # Who reads slowly is not hung up on, and gets all of it.
            rest = await asyncio.gather(*(reader.read() for reader, _ in slow))
            assert {each.partition(b"\r\n\r\n")[2] for each in rest} == {whole}
        median_ms, p99_ms = 1e3 * np.percentile(taken_s, [50, 99])
        words = f"others: median {median_ms:.0f} ms, p99 {p99_ms:.0f} ms of {len(taken_s)} answers"
        sys.stderr.write(f"{words}\n")
