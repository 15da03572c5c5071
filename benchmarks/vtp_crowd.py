"""Many VTP subscribers in one process: when each packet arrived, and an answer to it.

The arrival is read off the clock before anything else is done with a packet, so that what the
crowd itself costs stays out of the figures as far as it can.
"""

import multiprocessing
import re
import selectors
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

__all__ = ["build_answer", "crowd", "find_ivorn"]

_IVORN = re.compile(rb'ivorn="([^"]+)"')
_ANSWER = (
    b'<trn:Transport role="%s" version="1.0" '
    b'xmlns:trn="http://www.telescope-networks.org/xml/Transport/v1.1"><Origin>%s</Origin>'
    b"<Response>%s</Response><TimeStamp>2026-01-01T00:00:00Z</TimeStamp></trn:Transport>"
)
_POLL_S = 0.1

Arrivals = dict[str, list[float]]


def find_ivorn(document: bytes) -> str | None:
    """Return the ivorn of a VOEvent; None for what the server says about itself."""
    found = _IVORN.search(document)
    return None if found is None else found[1].decode()


def build_answer(document: bytes, name: str) -> bytes:
    """Return what a subscriber answers: Comet drops who does not."""
    found = _IVORN.search(document)
    if found is not None:
        role, origin = b"ack", found[1]
    else:
        role = b"authenticate" if b'role="authenticate"' in document else b"iamalive"
        origin = b"ivo://server"
    framed = _ANSWER % (role, origin, name.encode())
    return struct.pack("!I", len(framed)) + framed


@contextmanager
def crowd(
    port: int, n: int, *, per_address: int | None = None
) -> Iterator[Callable[[], tuple[int, Arrivals]]]:
    """Connect `n` subscribers.

    Parameters
    ----------
    port : int
        Of subscribers, at 127.0.0.1.
    n : int
        How many [-].
    per_address : int, optional
        Subscribers of one address, 127.0.1.1 and on [-]; None: all at 127.0.0.1.

    Yields
    ------
    callable
        Ends them; returns how many were connected, and the times of arrival of each ivorn
        [monotonic s].
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(port, n, per_address, theirs), daemon=True)
    process.start()

    def collect() -> tuple[int, Arrivals]:
        ours.send(None)
        n_connected, arrivals = ours.recv()
        return n_connected, arrivals

    try:
        yield collect
    finally:
        process.terminate()
        process.join()


def _run(port: int, n: int, per_address: int | None, pipe: Connection) -> None:
    selector = selectors.DefaultSelector()
    buffers: dict[int, bytearray] = {}
    for number in range(n):
        host = "127.0.0.1" if per_address is None else f"127.0.1.{1 + number // per_address}"
        connection = socket.create_connection(("127.0.0.1", port), source_address=(host, 0))
        buffers[number] = bytearray()
        selector.register(connection, selectors.EVENT_READ, number)
    arrivals: Arrivals = {}
    while not pipe.poll():
        came = []
        for key, _ in selector.select(_POLL_S):
            data = key.fileobj.recv(1 << 18)
            now_s = time.monotonic()
            if data:
                came.append((key, data, now_s))
            else:
                selector.unregister(key.fileobj)
                del buffers[key.data]
        for key, data, now_s in came:
            for document in _documents(buffers[key.data], data):
                if (ivorn := find_ivorn(document)) is not None:
                    arrivals.setdefault(ivorn, []).append(now_s)
                key.fileobj.sendall(build_answer(document, f"ivo://bench/subscriber-{key.data}"))
    pipe.send((len(buffers), arrivals))


def _documents(buffer: bytearray, data: bytes) -> Iterator[bytes]:
    """Add `data` to a connection's buffer; yield the documents that are complete."""
    buffer += data
    while len(buffer) >= 4:
        (length,) = struct.unpack_from("!I", buffer)
        if len(buffer) < 4 + length:
            return
        document = bytes(buffer[4 : 4 + length])
        del buffer[: 4 + length]
        yield document
