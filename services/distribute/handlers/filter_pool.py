"""Evaluate the filters of all subscribers in processes that can be ended."""

import asyncio
import signal
import struct
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

from runtime.listening import party_of
from runtime.logging import get_logger
from services.distribute.errors import TransportError
from services.distribute.steps.filter_queue import FilterQueue

__all__ = ["FilterPool"]

# CPU time of one evaluation of the filters of a subscriber; an honest one takes 0.1 ms.
_LIMIT_S = 0.1
# Longest wait for an answer: a worker may have to wait for a processor.
_ANSWER_TIMEOUT_S = 30.0
# What took no longer on an event is expected to be fast on the next.
_PROVEN_S = 0.01
_MAX_REMEMBERED = 10_000
_MAX_LOGGED_CHARS = 200
_TOO_SLOW = (
    f"the filters took more than {_LIMIT_S} s of CPU time on one event; use paths without `//` "
    "inside predicates"
)


@dataclass(slots=True, eq=False)
class _Job:
    """Filters to evaluate on an event; without one, to try."""

    filters: tuple[str, ...]
    packet: bytes
    outcome: "asyncio.Future[bool | str]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class FilterPool:
    """Gives each evaluation to a worker process; the address that used least CPU time is first.

    One worker evaluates only what was fast on an event before, the other one new filters first:
    what nobody has tried delays no filter that is in use.

    The workers start with the first filter. One that takes too long costs its owner the
    connection and the pool a worker, which is replaced by one that is running already; the filter
    is not evaluated again.
    """

    def __init__(self) -> None:
        self._new: FilterQueue[_Job] = FilterQueue()
        self._proven: FilterQueue[_Job] = FilterQueue()
        self._has_job = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []
        # The next worker, started before it is needed: that takes longer than to end one.
        self._spare: asyncio.Task[Process] | None = None
        # What was found about filters: empty if they are good.
        self._defects: dict[tuple[str, ...], str] = {}
        self._fast: dict[tuple[str, ...], None] = {}

    async def find_defect(self, host: str, filters: tuple[str, ...]) -> str:
        """Return what is wrong with filters and how to mend it; empty if nothing is.

        Nothing of them is looked at here: that would hold up the alerts of all.
        """
        defect = self._defects.get(filters)
        if defect is None:
            defect = str(await self._run(host, _Job(filters, b"")))
            self._remember(filters, defect)
        return defect

    async def matches(self, host: str, filters: tuple[str, ...], packet: bytes) -> bool:
        """Return whether an event passes one of the filters.

        Raises
        ------
        TransportError
            If they take too long.
        """
        if self._defects.get(filters):
            raise TransportError("slow_filter")
        outcome = await self._run(host, _Job(filters, packet))
        if isinstance(outcome, str):
            self._remember(filters, outcome)
            raise TransportError("slow_filter")
        return outcome

    async def aclose(self) -> None:
        """End the workers."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._spare is not None:
            with suppress(OSError):  # it was not started
                await _end(await self._spare)

    async def _run(self, host: str, job: _Job) -> bool | str:
        if not self._tasks:
            queues = ((self._proven,), (self._new, self._proven))
            self._tasks = [asyncio.create_task(self._work(each)) for each in queues]
        async with self._has_job:
            queue = self._proven if job.filters in self._fast else self._new
            queue.add(party_of(host), job)
            self._has_job.notify_all()
        return await job.outcome

    def _remember(self, filters: tuple[str, ...], defect: str) -> None:
        self._defects[filters] = defect
        _shorten(self._defects)

    def _book(self, party: str, job: _Job, cpu_s: float) -> None:
        now_s = asyncio.get_running_loop().time()
        for queue in (self._proven, self._new):
            queue.charge(party, cpu_s, now_s)
        if not job.packet:
            return
        if cpu_s <= _PROVEN_S:
            self._fast[job.filters] = None
            _shorten(self._fast)
        else:
            self._fast.pop(job.filters, None)

    async def _work(self, queues: tuple[FilterQueue[_Job], ...]) -> None:
        """Serve jobs with one process after the other until the task is cancelled."""
        process: Process | None = None
        try:
            while True:
                party, job = await self._take(queues)
                if job.outcome.done():  # its subscriber has gone
                    continue
                try:
                    process = process or await self._get_worker()
                except OSError as error:
                    get_logger().error("filter_worker_not_started", error=repr(error))
                    job.outcome.set_exception(TransportError("no_filter_worker"))
                    continue
                outcome, cpu_s = await _evaluate(process, job)
                self._book(party, job, cpu_s)
                if outcome is None:
                    await _end(process)
                    process, outcome = None, _TOO_SLOW
                    filters = [each[:_MAX_LOGGED_CHARS] for each in job.filters]
                    get_logger().warning("slow_filter_ended", party=party, filters=filters)
                if not job.outcome.done():
                    job.outcome.set_result(outcome)
        finally:
            if process is not None:
                await _end(process)

    async def _get_worker(self) -> Process:
        spare, self._spare = self._spare, None
        if spare is None:
            worker = await _start_worker()
        else:
            worker = await spare
        self._spare = self._spare or asyncio.create_task(_start_worker())
        return worker

    async def _take(self, queues: tuple[FilterQueue[_Job], ...]) -> tuple[str, _Job]:
        async with self._has_job:
            while True:
                now_s = asyncio.get_running_loop().time()
                for queue in queues:
                    if (taken := queue.take(now_s)) is not None:
                        return taken
                await self._has_job.wait()


def _shorten(known: dict[tuple[str, ...], Any]) -> None:
    while len(known) > _MAX_REMEMBERED:
        del known[next(iter(known))]


async def _start_worker() -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.distribute.handlers.filter_worker", str(_LIMIT_S),
        stdin=PIPE, stdout=PIPE,
    )  # fmt: skip


async def _evaluate(process: Process, job: _Job) -> tuple[bool | str | None, float]:
    """Return the outcome, None if the worker ended or does not answer, and its CPU time [s]."""
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("a worker was started without pipes")
    filters = orjson.dumps(job.filters)
    request = struct.pack("!II", len(filters), len(job.packet)) + filters + job.packet
    line = b""
    with suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            process.stdin.write(request)
            await process.stdin.drain()
            line = await process.stdout.readline()
    if not line.endswith(b"\n"):
        return None, _LIMIT_S
    answer = orjson.loads(line)
    return answer.get("matches", answer.get("defect")), answer["cpu_s"]


async def _end(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGKILL)
    await process.wait()
