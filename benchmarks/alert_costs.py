"""What alerts cost: CPU time of every process, and where the slowest of them waited."""

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import asyncpg

from tests.support.stack_processes import StackProcesses

__all__ = ["CpuMeter", "print_slowest"]

_STAGES = """
select
    ivorn,
    latency_s,
    extract(epoch from time_alert - $2::timestamptz)::float8 as alert_s,
    extract(epoch from time_published - time_alert)::float8 as published_s
from alert
where ivorn = $1
"""
_IDLE_INTERVAL_S = 2.0
_IDLE_SHARE = 0.3


class CpuMeter:
    """CPU time of the processes of a stack between `start` and `stop`.

    Parameters
    ----------
    status : mapping
        What ``livetrap status --json`` says.
    """

    def __init__(self, status: Mapping[str, Any]) -> None:
        self._processes = StackProcesses(status["services"]["api"]["pid"])
        self.start()

    def start(self) -> None:
        """Count from now on."""
        self._before_s = self._after_s = self._read_s()

    def stop(self) -> None:
        """Count no more: the broker of an idle stack alone takes a tenth of a core."""
        self._after_s = self._read_s()

    def wait_until_idle(self, *, longest_s: float = 60.0) -> None:
        """Return when the stack uses less than a third of a core: its kernels are compiled.

        Parameters
        ----------
        longest_s : float
            Longest wait [s].
        """
        deadline_s = time.monotonic() + longest_s
        used_s = sum(self._read_s().values())
        while time.monotonic() < deadline_s:
            time.sleep(_IDLE_INTERVAL_S)
            before_s, used_s = used_s, sum(self._read_s().values())
            if used_s - before_s < _IDLE_SHARE * _IDLE_INTERVAL_S:
                break

    def _read_s(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, process in self._processes.all().values():
            for each in (process, *process.children(recursive=True)):
                times = each.cpu_times()
                ended_s = times.children_user + times.children_system
                found[name] = found.get(name, 0.0) + times.user + times.system + ended_s
        return found

    def used_s(self) -> dict[str, float]:
        """Return the CPU time between start and stop by process, with children that ended."""
        return {name: at_s - self._before_s[name] for name, at_s in self._after_s.items()}

    def print_per_alert(self, n_alerts: int) -> None:
        """Print the CPU time between start and stop, by process [ms an alert]."""
        used_s = self.used_s()
        costs = ", ".join(
            f"{name} {1000 * each / n_alerts:.2f}"
            for name, each in sorted(used_s.items(), key=lambda item: -item[1])
        )
        print(
            f"  CPU time [ms an alert]: {costs}; sum {1000 * sum(used_s.values()) / n_alerts:.2f}"
        )


def print_slowest(
    url: str, waits_s: Mapping[str, float], sent_at: Callable[[str], datetime], n: int = 3
) -> None:
    """Print the slowest alerts, and when each was decided and published.

    Parameters
    ----------
    url : str
        Of the database.
    waits_s : mapping
        Append to receipt by ivorn [s].
    sent_at : callable
        Returns when the event of an ivorn was sent.
    n : int
        How many [-].
    """
    slowest = sorted(waits_s, key=lambda name: -waits_s[name])[:n]

    async def read() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(url)
        try:
            return [await connection.fetchrow(_STAGES, each, sent_at(each)) for each in slowest]
        finally:
            await connection.close()

    for row in asyncio.run(read()):
        received_ms, alert_ms, published_ms = (
            1000 * each for each in (waits_s[row["ivorn"]], row["alert_s"], row["published_s"])
        )
        print(
            f"  slowest: received {received_ms:.0f} ms after its event, decided after "
            f"{alert_ms:.0f}, marked as published {published_ms:.0f} ms later "
            f"(event of {sent_at(row['ivorn']):%H:%M:%S.%f})"
        )
