"""A port that takes what attackers send as the service does, and does nothing with it.

What honest subscribers lose while attackers are busy with it, they lose to the CPU time of the
attackers, which are on the same machine.
"""

import asyncio
import multiprocessing
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection

__all__ = ["attack_sink"]

# As the service: the longest document, and how fast the ones of a flooding connection are read.
_MAX_BYTES = 4096
_PAUSE_S = 0.35


@contextmanager
def attack_sink() -> Iterator[int]:
    """Listen in a process of its own; give the port."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(theirs,), daemon=True)
    process.start()
    try:
        yield int(ours.recv())
    finally:
        process.kill()
        process.join()


def _run(connection: Connection) -> None:
    asyncio.run(_listen(connection))


async def _listen(connection: Connection) -> None:
    server = await asyncio.start_server(_take, "127.0.0.1", 0, limit=_MAX_BYTES)
    connection.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def _take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read documents until one is too long, which its length tells."""
    with suppress(OSError, asyncio.IncompleteReadError):
        while True:
            (length,) = struct.unpack("!I", await reader.readexactly(4))
            if length > _MAX_BYTES:
                break
            await reader.readexactly(length)
            await asyncio.sleep(_PAUSE_S)
    writer.transport.abort()
