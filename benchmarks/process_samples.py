"""Memory and file descriptors of the processes of a stack over time, and their slopes."""

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from tests.support.stack_processes import StackProcesses

__all__ = ["QUANTITIES", "ProcessSampler", "Sample", "Slope", "fit_slope"]

QUANTITIES = ("rss_mb", "pss_mb", "n_fds", "n_threads")


@dataclass(frozen=True, slots=True)
class Sample:
    """One process at one time; a family of processes, such as PostgreSQL's, is one.

    Parameters
    ----------
    time_s : float
        Since the start of the sampler [s].
    rss_mb, pss_mb : float
        Resident memory, and that with shared pages by their share [MB].
    n_fds, n_threads, n_processes : int
        File descriptors, threads, and processes of the family.
    cpu_s : float
        CPU time so far [s].
    """

    time_s: float
    rss_mb: float
    pss_mb: float
    n_fds: int
    n_threads: int
    n_processes: int
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Slope:
    """A straight line through samples: its slope an hour, the 1 sigma error, and the mean."""

    per_hour: float
    err_per_hour: float
    mean: float


@dataclass
class ProcessSampler:
    """Samples every process of a stack in a thread of its own.

    Attributes
    ----------
    samples : dict
        Samples of each process by name.
    """

    processes: StackProcesses
    interval_s: float = 5.0
    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._started_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the sample that is being taken."""
        self._stop.set()
        self._thread.join()

    @property
    def now_s(self) -> float:
        """Time since the start [s]."""
        return time.monotonic() - self._started_s

    def _run(self) -> None:
        while not self._stop.wait(self.interval_s):
            counts: dict[str, int] = {}
            for name, process in self.processes.all().values():
                counts[name] = counts.get(name, 0) + 1
                label = name if counts[name] == 1 else f"{name} {counts[name]}"
                try:
                    sample = _take(process, self.now_s)
                except psutil.NoSuchProcess:
                    continue  # it ended between the list and the sample
                self.samples.setdefault(label, []).append(sample)


def _take(process: psutil.Process, time_s: float) -> Sample:
    family = [process, *process.children(recursive=True)]
    pss_mb = rss_mb = cpu_s = 0.0
    n_fds = n_threads = 0
    for each in family:
        with each.oneshot():
            rss_mb += each.memory_info().rss / 1e6
            pss_mb += _pss_mb(each.pid)
            n_fds += each.num_fds()
            n_threads += each.num_threads()
            times = each.cpu_times()
            cpu_s += times.user + times.system
    return Sample(time_s, rss_mb, pss_mb, n_fds, n_threads, len(family), cpu_s)


def _pss_mb(pid: int) -> float:
    """Return the proportional set size [MB]; NaN where the kernel does not tell."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return float("nan")
    lines = (line.split() for line in text.splitlines())
    return next((float(words[1]) / 1000 for words in lines if words[0] == "Pss:"), float("nan"))


def fit_slope(samples: Sequence[Sample], quantity: str, *, after_s: float) -> Slope:
    """Fit a line to a quantity of the samples after a warm-up, by least squares.

    Samples without it are left out: a process of the group ended while it was read.
    Neighbouring samples are alike, so the error is enlarged by the autocorrelation of the
    residuals at one sample.

    Parameters
    ----------
    samples : sequence of Sample
        Of one process.
    quantity : str
        One of `QUANTITIES`.
    after_s : float
        End of the warm-up [s].
    """
    kept = [
        each for each in samples if each.time_s >= after_s and np.isfinite(getattr(each, quantity))
    ]
    x = np.array([each.time_s for each in kept]) / 3600
    y = np.array([float(getattr(each, quantity)) for each in kept])
    if x.size < 4:
        return Slope(float("nan"), float("nan"), float(y.mean()) if y.size else float("nan"))
    x0 = x - x.mean()
    slope = float((x0 * y).sum() / (x0**2).sum())
    residual = y - y.mean() - slope * x0
    scatter = residual.std(ddof=2)
    error = float(scatter / np.sqrt((x0**2).sum()))
    if scatter > 0:
        r = float(np.corrcoef(residual[:-1], residual[1:])[0, 1])
        r = min(max(r, 0.0), 0.99)
        error *= np.sqrt((1 + r) / (1 - r))
    return Slope(slope, error, float(y.mean()))


def peak(samples: Iterable[Sample], quantity: str) -> float:
    """Return the largest value of a quantity."""
    return max(float(getattr(each, quantity)) for each in samples)
