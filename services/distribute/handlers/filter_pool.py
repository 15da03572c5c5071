"""Evaluate the filters of all subscribers in processes that can be ended."""

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from runtime.background import keep_running
from runtime.listening import site_of
from runtime.logging import get_logger
from services.distribute.errors import TransportError
from services.distribute.handlers.filter_process import FilterProcess
from services.distribute.steps.filter_queue import FilterQueue

__all__ = ["FilterPool"]

# CPU time of one evaluation of the filters of a subscriber; an honest one takes 0.1 ms, and its
# trial on the largest event a few.
_LIMIT_S = 0.1
# Of an address of which a filter took longer than that within the memory of suspects.
_LIMIT_OF_SUSPECTS_S = 0.02
_SUSPECTED_S = 600.0
# What took no longer on an event is expected to be fast on the next.
_PROVEN_S = 0.01
# Of the process that tries new filters, which are what strangers send: everything else is first.
_NICENESS_OF_TRIALS = 10
_MAX_REMEMBERED = 10_000
_MAX_LOGGED_CHARS = 200
_TOO_SLOW = (
    "the filters took more than {} s of CPU time on one event; use paths without `//` inside "
    "predicates"
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
    what nobody has tried delays no filter that is in use, and has what is left of the processors.

    The workers start with the first filter. One that takes too long costs its owner the
    connection, and is not evaluated again; the next ones of its address are ended sooner.
    """

    def __init__(self) -> None:
        self._new: FilterQueue[_Job] = FilterQueue()
        self._proven: FilterQueue[_Job] = FilterQueue()
        self._has_job = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []
        # What was found about filters: empty if they are good.
        self._defects: dict[tuple[str, ...], str] = {}
        self._fast: dict[tuple[str, ...], None] = {}
        # When a filter of an address last took too long [s].
        self._suspected_s: dict[str, float] = {}

    async def find_defect(self, host: str, filters: tuple[str, ...]) -> str:
        """Return what is wrong with filters and how to mend it; empty if nothing is.

        Nothing of them is looked at here: that would hold up the alerts of all.
        """
        defect = self._defects.get(filters)
        if defect is None:
            defect = str(await self._run(host, _Job(filters, b"")))
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
            raise TransportError("slow_filter")
        return outcome

    async def aclose(self) -> None:
        """End the workers."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, host: str, job: _Job) -> bool | str:
        if not self._tasks:
            trials = FilterProcess(_NICENESS_OF_TRIALS)
            works = (
                partial(self._work, (self._proven,), FilterProcess(0)),
                partial(self._work, (self._new, self._proven), trials),
            )
            self._tasks = [
                asyncio.create_task(keep_running(each, failure="filter_worker_failed"))
                for each in works
            ]
        async with self._has_job:
            queue = self._proven if job.filters in self._fast else self._new
            queue.add(site_of(host), job)
            self._has_job.notify_all()
        return await job.outcome

    def _limit_s(self, party: str) -> float:
        """Return the CPU time that a filter of an address may take [s]."""
        suspected_s = self._suspected_s.get(party, float("-inf"))
        is_suspect = asyncio.get_running_loop().time() - suspected_s < _SUSPECTED_S
        return _LIMIT_OF_SUSPECTS_S if is_suspect else _LIMIT_S

    def _suspect(self, party: str, job: _Job, limit_s: float) -> str:
        """Note that a filter took longer than its limit [s]; return what its owner is told."""
        filters = [each[:_MAX_LOGGED_CHARS] for each in job.filters]
        get_logger().warning("slow_filter_ended", party=party, filters=filters)
        self._suspected_s.pop(party, None)
        self._suspected_s[party] = asyncio.get_running_loop().time()  # the newest last
        _shorten(self._suspected_s)
        return _TOO_SLOW.format(limit_s)

    def _remember(self, job: _Job, *, outcome: bool | str, is_general: bool) -> None:
        """Remember what is true of filters whoever sets them."""
        if isinstance(outcome, str) and is_general:
            self._defects[job.filters] = outcome
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

    async def _work(self, queues: tuple[FilterQueue[_Job], ...], process: FilterProcess) -> None:
        """Serve jobs with a process until the task is cancelled."""
        try:
            while True:
                party, job = await self._take(queues)
                if job.outcome.done():  # its subscriber has gone
                    continue
                try:
                    outcome = await self._evaluate(party, job, process)
                except Exception as error:  # noqa: BLE001  (whatever it is: the next ones follow)
                    get_logger().error("filter_not_evaluated", error=repr(error))
                    if not job.outcome.done():
                        code = "no_filter_worker" if isinstance(error, OSError) else "bad_filter"
                        job.outcome.set_exception(TransportError(code))
                    continue
                if not job.outcome.done():
                    job.outcome.set_result(outcome)
        finally:
            await process.aclose()

    async def _evaluate(self, party: str, job: _Job, process: FilterProcess) -> bool | str:
        """Return whether an event passes filters, or what is wrong with them."""
        limit_s = self._limit_s(party)
        outcome, cpu_s = await process.evaluate(job.filters, job.packet, limit_s=limit_s)
        self._book(party, job, cpu_s)
        is_general = outcome is not None or limit_s == _LIMIT_S
        if outcome is None:
            outcome = self._suspect(party, job, limit_s)
        self._remember(job, outcome=outcome, is_general=is_general)
        return outcome

    async def _take(self, queues: tuple[FilterQueue[_Job], ...]) -> tuple[str, _Job]:
        async with self._has_job:
            while True:
                now_s = asyncio.get_running_loop().time()
                for queue in queues:
                    if (taken := queue.take(now_s)) is not None:
                        return taken
                await self._has_job.wait()


def _shorten(known: dict[Any, Any]) -> None:
    while len(known) > _MAX_REMEMBERED:
        del known[next(iter(known))]
