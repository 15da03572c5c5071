"""Evaluate XPath filters in a process of its own, which ends when one takes too long.

``python -m services.distribute.handlers.filter_worker NICENESS`` reads requests from standard
input and answers each with a line of JSON. libxml2 cannot be interrupted: the kernel ends
the process when a request has used its CPU time. It is a fork of one that only waits for it,
answers in its place and makes the next one, without the time that an interpreter takes to start.
"""

import os
import resource
import signal
import struct
import sys
import time
from functools import lru_cache
from typing import BinaryIO

import orjson

from services.distribute.errors import TransportError
from services.distribute.steps.filter_check import check_filters
from services.distribute.steps.transport import Filters, compile_filters, matches

__all__ = ["main"]

_MAX_MEMORY_BYTES = 1 << 29
_HEADER = struct.Struct("!IId")
_ENDED = b'{"is_ended":true}\n'


def main() -> None:
    """Answer requests until standard input ends."""
    os.nice(int(sys.argv[1]))
    resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY_BYTES, _MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the service ends it
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    while (evaluator := os.fork()) != 0:
        _, status = os.waitpid(evaluator, 0)
        if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF):
            return
        # It had read the whole of one request, and nothing of the next: that waits for the answer.
        os.write(sys.stdout.fileno(), _ENDED)
    _serve()


def _serve() -> None:
    """Evaluate until standard input, or a request that takes too long, ends the process."""
    while (request := _read(sys.stdin.buffer)) is not None:
        filters, packet, limit_s = request
        started_s = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, limit_s)
        answer = _answer(filters, packet)
        signal.setitimer(signal.ITIMER_PROF, 0)
        answer["cpu_s"] = time.process_time() - started_s
        sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
        sys.stdout.buffer.flush()


def _read(stream: BinaryIO) -> tuple[tuple[str, ...], bytes, float] | None:
    """Return filters, event and limit [s] of the next request; no event: a trial of filters."""
    header = stream.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    n_filter_bytes, n_packet_bytes, limit_s = _HEADER.unpack(header)
    filters = tuple(orjson.loads(stream.read(n_filter_bytes)))
    return filters, stream.read(n_packet_bytes), limit_s


def _answer(filters: tuple[str, ...], packet: bytes) -> dict[str, object]:
    try:
        if not packet:
            return {"defect": check_filters(filters)}
        return {"matches": matches(_compile(filters), packet)}
    except (TransportError, MemoryError) as error:
        return {"defect": f"it cannot be evaluated: {error!r}"}


@lru_cache(256)
def _compile(filters: tuple[str, ...]) -> Filters:
    return compile_filters(filters)


if __name__ == "__main__":
    main()
