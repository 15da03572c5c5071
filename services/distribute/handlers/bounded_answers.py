"""HTTP of which an answer has a limit from its first byte: interim answers and headers count."""

import asyncio
import ssl
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import httpcore
import httpx

__all__ = ["BoundedTransport"]

_MAX_ANSWER_BYTES = 65_536
# Longest pause in which a connection is kept for the next request.
_KEPT_S = 5.0
# What is parsed before others have their turn: a part of 64 kB of tiny answers takes 150 ms.
_READ_BYTES = 4096


class BoundedTransport(httpx.AsyncHTTPTransport):
    """Ends an answer that is longer than 64 KiB, its interim answers (1xx) included.

    httpx reads these for as long as they come, and yields to nobody while there are any.
    """

    def __init__(self) -> None:
        context = _tls_context()
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            keepalive_expiry=_KEPT_S,
            network_backend=_BoundedBackend(),
        )


@lru_cache(maxsize=1)
def _tls_context() -> ssl.SSLContext:
    """Return what all webhooks of a process share: to read the authorities takes 25 ms."""
    return httpx.create_ssl_context(trust_env=False)


class _BoundedBackend(httpcore.AsyncNetworkBackend):
    """Makes connections whose answers are bounded."""

    def __init__(self) -> None:
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  (as httpcore calls it)
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        stream = await self._backend.connect_tcp(
            host, port, timeout, local_address, socket_options
        )
        return _BoundedStream(stream)


class _BoundedStream(httpcore.AsyncNetworkStream):
    """A connection that is read in small pieces, and of which no answer is long.

    Parameters
    ----------
    stream : httpcore.AsyncNetworkStream
        The connection.
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._n_bytes = 0

    async def read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ASYNC109  (as httpcore calls it)
    ) -> bytes:
        if self._n_bytes >= _MAX_ANSWER_BYTES:
            raise httpcore.RemoteProtocolError(f"answered more than {_MAX_ANSWER_BYTES} bytes")
        await asyncio.sleep(0)
        data = await self._stream.read(min(max_bytes, _READ_BYTES), timeout)
        self._n_bytes += len(data)
        return data

    async def write(
        self,
        buffer: bytes,
        timeout: float | None = None,  # noqa: ASYNC109  (as httpcore calls it)
    ) -> None:
        self._n_bytes = 0  # the next answer
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  (as httpcore calls it)
    ) -> httpcore.AsyncNetworkStream:
        return _BoundedStream(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
