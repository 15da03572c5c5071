"""One process that evaluates filters, and another one in its place if it ends."""

import asyncio
import os
import signal
import struct
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress

import orjson

__all__ = ["FilterProcess"]

# Longest wait for an answer: a process may have to wait for a processor.
_ANSWER_TIMEOUT_S = 30.0
# The system may end a process for want of memory, and whose filter is next is not to blame.
_MAX_TRIES = 2


class FilterProcess:
    """Starts with its first question.

    Parameters
    ----------
    niceness : int
        How much others go before it, above that of the service [-].
    """

    def __init__(self, niceness: int) -> None:
        self._niceness = niceness
        self._process: Process | None = None

    async def evaluate(
        self, filters: tuple[str, ...], packet: bytes, *, limit_s: float
    ) -> tuple[bool | str | None, float]:
        """Return what became of filters, and the CPU time that it took [s].

        Parameters
        ----------
        filters : tuple of str
            XPath expressions.
        packet : bytes
            Event; empty: the filters are tried.
        limit_s : float
            CPU time that it may take [s].

        Returns
        -------
        outcome : bool or str or None
            Whether the event passes, or a defect, empty if a trial finds none; None: it took too
            long.
        cpu_s : float
            CPU time [s].

        Raises
        ------
        OSError
            If no process can be started.
        """
        head = orjson.dumps(filters)
        request = struct.pack("!IId", len(head), len(packet), limit_s) + head + packet
        for _ in range(_MAX_TRIES):
            line = await self._ask(request)
            if line.endswith(b"\n"):
                answer = orjson.loads(line)
                return answer.get("matches", answer.get("defect")), answer.get("cpu_s", limit_s)
            await self.aclose()
        return None, limit_s

    async def aclose(self) -> None:
        """End the process and those that it forked."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if process.stdin is not None:
                process.stdin.close()
            await process.communicate()  # until no process has the other end of a pipe

    async def _ask(self, request: bytes) -> bytes:
        """Return the line that answers a request; not a whole one if the process ended."""
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "services.distribute.handlers.filter_worker",
                str(self._niceness),
                stdin=PIPE, stdout=PIPE, process_group=0,
            )  # fmt: skip
        writer, reader = self._process.stdin, self._process.stdout
        if writer is None or reader is None:
            raise RuntimeError("a process was started without pipes")
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                writer.write(request)
                await writer.drain()
                return await reader.readline()
        return b""
