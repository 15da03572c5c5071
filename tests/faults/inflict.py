"""Do to a running stack what a schedule says, and let everything go at the end."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import psutil

from tests.faults.disk import SmallDisk
from tests.faults.schedule import Fault
from tests.support.stack_processes import SERVICES, StackProcesses

__all__ = ["Inflictor"]

_PATIENCE_S = 20.0
_POLL_S = 0.05


class Inflictor:
    """Sends the signals of a schedule.

    Parameters
    ----------
    processes : StackProcesses
        Of the stack.
    disk : SmallDisk or None
        Disk of the data folder; None: it is not filled.
    report : callable
        Called with a line for each outage of a server.

    Attributes
    ----------
    done : list of Fault
        What happened; a fault whose victim did not run happens to another service.
    """

    def __init__(
        self, processes: StackProcesses, disk: SmallDisk | None, report: Callable[[str], None]
    ) -> None:
        self.done: list[Fault] = []
        self._processes = processes
        self._disk = disk
        self._report = report
        self._undo: list[tuple[float, Callable[[], None]]] = []

    def run(self, schedule: Sequence[Fault], stop: threading.Event) -> None:
        """Inflict each fault at its time; return when the last one has ended."""
        started_s = time.monotonic()
        for fault in schedule:
            if self._sleep_until(started_s + fault.at_s, stop):
                break
            self._inflict(fault)
        while self._undo and not stop.is_set():
            self._sleep_until(self._undo[0][0], stop)
        self.release()

    def release(self) -> None:
        """End all that lasts."""
        for _, undo in self._undo:
            undo()
        self._undo.clear()

    def _sleep_until(self, end_s: float, stop: threading.Event) -> bool:
        """Wait; return whether to stop."""
        while (now_s := time.monotonic()) < end_s and not stop.is_set():
            stop.wait(min(_POLL_S, end_s - now_s))
            self._end_due()
        return stop.is_set()

    def _end_due(self) -> None:
        """End what has lasted long enough, also while the schedule is behind."""
        while self._undo and self._undo[0][0] <= time.monotonic():
            self._undo.pop(0)[1]()

    def _inflict(self, fault: Fault) -> None:
        if fault.kind == "fill_disk" and self._disk is None:
            return
        if fault.victim not in SERVICES:
            self._report(f"{fault.kind} {fault.victim} {fault.duration_s or ''}")
        if fault.kind == "fill_disk":
            self._fill(fault)
            return
        victim = self._find(fault.victim)
        if victim is None:
            return
        name, process = victim
        with suppress(psutil.NoSuchProcess):
            self._signal(fault, process)
            self.done.append(Fault(fault.at_s, fault.kind, name, fault.duration_s))

    def _find(self, name: str) -> tuple[str, psutil.Process] | None:
        """Return the wanted process; another service where it does not run, a server later."""
        deadline_s = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline_s:
            self._end_due()
            running = list(self._processes.all().values())
            wanted = [each for each in running if each[0] == name]
            if not wanted and name in SERVICES:
                wanted = [each for each in running if each[0] in SERVICES]
            if wanted:
                return wanted[len(self.done) % len(wanted)]
            time.sleep(_POLL_S)
        return None

    def _signal(self, fault: Fault, process: psutil.Process) -> None:
        if fault.kind == "kill":
            process.kill()
        elif fault.kind == "terminate":
            process.terminate()
        else:
            family = [process, *process.children(recursive=True)]
            for each in family:
                each.suspend()
            self._later(fault.duration_s, lambda: _resume(family))

    def _fill(self, fault: Fault) -> None:
        if self._disk is None:
            return
        self._disk.fill()
        self.done.append(fault)
        self._later(fault.duration_s, self._disk.empty)

    def _later(self, delay_s: float, action: Callable[[], None]) -> None:
        self._undo.append((time.monotonic() + delay_s, action))
        self._undo.sort(key=lambda each: each[0])


def _resume(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.resume()
