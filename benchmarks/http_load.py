"""Load on an HTTP server over loopback: connections that stay open, and what each answer took."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field

import numpy as np
import psutil

__all__ = [
    "Connection",
    "Load",
    "at_rate",
    "cpu_of",
    "follow_alerts",
    "one_by_one",
    "saturate",
    "slow_clients",
]


class Connection:
    """A connection that stays open; one request at a time.

    Parameters
    ----------
    port : int
        On loopback.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str) -> int:
        """Return the length of an answer [byte].

        A server ends connections that were idle for seconds: such a one is opened again.

        Raises
        ------
        RuntimeError
            If it is no success.
        """
        was_open = self._streams is not None
        try:
            return await self._get(path)
        except (asyncio.IncompleteReadError, ConnectionError):
            if not was_open:
                raise
            self.close()
            self._streams = None
            return await self._get(path)

    async def _get(self, path: str) -> int:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b"transfer-encoding: chunked" in head:
            n_bytes = await self._skip_chunks(reader)
        else:
            n_bytes = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(n_bytes)
        if not head.startswith(b"http/1.1 200"):
            raise RuntimeError(f"{path}: {head.splitlines()[0]!r}")
        return n_bytes

    async def _skip_chunks(self, reader: asyncio.StreamReader) -> int:
        n_bytes = 0
        while n_chunk := int(await reader.readline(), 16):
            await reader.readexactly(n_chunk + 2)
            n_bytes += n_chunk
        await reader.readline()
        return n_bytes

    def close(self) -> None:
        """Close it."""
        if self._streams is not None:
            self._streams[1].close()


@dataclass
class Load:
    """What a load measured.

    Parameters
    ----------
    times_s : list of float
        From when each request was due to the end of its answer [s].
    wall_s, cpu_s : float
        Length of the measurement, and CPU time of the server in it [s].
    """

    times_s: list[float] = field(default_factory=list)
    wall_s: float = 0.0
    cpu_s: float = 0.0

    def quantile_ms(self, share: float) -> float:
        """Return a quantile of the times [ms]."""
        return float(np.quantile(self.times_s, share)) * 1e3

    @property
    def per_s(self) -> float:
        """Return answers a second [1/s]."""
        return len(self.times_s) / self.wall_s

    @property
    def cpu_ms(self) -> float:
        """Return the CPU time of the server for an answer [ms]."""
        return self.cpu_s / len(self.times_s) * 1e3


def cpu_of(process: psutil.Process) -> float:
    """Return the CPU time of a process so far [s]."""
    used = process.cpu_times()
    return float(used.user + used.system)


@contextmanager
def _measured(process: psutil.Process) -> Iterator[Load]:
    load = Load()
    started_s, cpu_s = time.perf_counter(), cpu_of(process)
    yield load
    load.wall_s, load.cpu_s = time.perf_counter() - started_s, cpu_of(process) - cpu_s


async def saturate(
    port: int, process: psutil.Process, path: str, *, n_clients: int, seconds: float
) -> Load:
    """Ask without a pause over several connections."""
    with _measured(process) as load:
        until_s = time.perf_counter() + seconds

        async def ask() -> None:
            connection = Connection(port)
            while (started_s := time.perf_counter()) < until_s:
                await connection.get(path)
                load.times_s.append(time.perf_counter() - started_s)
            connection.close()

        await asyncio.gather(*(ask() for _ in range(n_clients)))
    return load


async def at_rate(
    port: int, process: psutil.Process, path: Callable[[], str], *, per_s: float, n: int
) -> Load:
    """Ask at a rate, whether or not earlier answers have come."""
    idle: list[Connection] = []
    with _measured(process) as load:
        started_s = time.perf_counter()

        async def ask(due_s: float) -> None:
            connection = idle.pop() if idle else Connection(port)
            await connection.get(path())
            load.times_s.append(time.perf_counter() - due_s)
            idle.append(connection)

        async with asyncio.TaskGroup() as tasks:
            for number in range(n):
                due_s = started_s + number / per_s
                await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
                tasks.create_task(ask(due_s))
    for connection in idle:
        connection.close()
    return load


async def one_by_one(
    port: int, process: psutil.Process, path: Callable[[], str], *, n: int
) -> Load:
    """Ask n times, one after the other."""
    connection = Connection(port)
    with _measured(process) as load:
        for _ in range(n):
            started_s = time.perf_counter()
            await connection.get(path())
            load.times_s.append(time.perf_counter() - started_s)
    connection.close()
    return load


@asynccontextmanager
async def slow_clients(port: int, path: str, *, n_half: int, n_slow: int) -> AsyncIterator[None]:
    """Keep clients connected that never end their request, or read a byte of its answer a second.

    A client whose connection the server ends connects again, as an attacker would.
    """

    async def send_half() -> None:
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost:".encode())
            try:
                with suppress(OSError):
                    await reader.read()
            finally:
                writer.close()

    async def read_slowly() -> None:
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            try:
                with suppress(OSError):
                    while await reader.read(1):  # noqa: ASYNC110  (it is slow on purpose)
                        await asyncio.sleep(1.0)
            finally:
                writer.close()

    clients = [asyncio.create_task(send_half()) for _ in range(n_half)]
    clients += [asyncio.create_task(read_slowly()) for _ in range(n_slow)]
    try:
        yield
    finally:
        for client in clients:
            client.cancel()
        await asyncio.wait(clients)


async def follow_alerts(
    port: int, path: str, load: Load, sent_s: list[float], *, n: int, is_open: asyncio.Event
) -> None:
    """Read n alerts of a stream of server-sent events, and note how late each is.

    Parameters
    ----------
    port : int
        On loopback.
    path : str
        Of the stream.
    load : Load
        Gets the times.
    sent_s : list of float
        When each alert was stored, by `time.perf_counter`; it grows meanwhile [s].
    n : int
        Alerts to read.
    is_open : asyncio.Event
        Set when the stream has begun.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"{path}: {head.splitlines()[0]!r}")
    is_open.set()
    for number in range(n):
        while b"event: alert" not in (line := await reader.readline()):
            if not line:
                raise RuntimeError(f"{path}: the stream ended after {number} alerts")
        load.times_s.append(time.perf_counter() - sent_s[number])
    writer.close()
