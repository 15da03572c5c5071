"""Which evaluation of a filter is next: that of the address which used least CPU time."""

import math
from collections import deque
from typing import Generic, TypeVar

__all__ = ["FilterQueue"]

T = TypeVar("T")
# CPU time is forgotten over this time: a slow filter is not held against an address for ever.
_MEMORY_S = 600.0
_NEGLIGIBLE_S = 1e-3


class FilterQueue(Generic[T]):
    """Jobs of many addresses, first in first out within each."""

    def __init__(self) -> None:
        self._jobs: dict[str, deque[T]] = {}
        # CPU time and when it was charged [s].
        self._used_s: dict[str, tuple[float, float]] = {}

    def add(self, party: str, job: T) -> None:
        """Queue a job of an address."""
        self._jobs.setdefault(party, deque()).append(job)

    def take(self, now_s: float) -> tuple[str, T] | None:
        """Return the address whose turn it is and its oldest job; None if there is none."""
        if not self._jobs:
            return None
        party = min(self._jobs, key=lambda each: self._get_used(each, now_s))
        jobs = self._jobs.pop(party)
        job = jobs.popleft()
        if jobs:
            self._jobs[party] = jobs  # behind others that used as much
        return party, job

    def charge(self, party: str, cpu_s: float, now_s: float) -> None:
        """Charge the CPU time [s] of a job to its client."""
        used_s = self._get_used(party, now_s) + cpu_s
        self._used_s.pop(party, None)
        self._used_s[party] = used_s, now_s
        oldest = next(iter(self._used_s))
        if self._get_used(oldest, now_s) < _NEGLIGIBLE_S:
            del self._used_s[oldest]

    def _get_used(self, party: str, now_s: float) -> float:
        used_s, charged_s = self._used_s.get(party, (0.0, now_s))
        return used_s * math.exp((charged_s - now_s) / _MEMORY_S)
