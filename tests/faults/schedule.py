"""When which process gets which signal: a seed gives the same schedule."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tests.support.stack_processes import SERVICES

__all__ = ["Fault", "count_by_victim", "make_schedule"]

Kind = Literal["kill", "stop", "terminate", "fill_disk"]

# Relative to the run: when, what, whom, for how long [s].
_OUTAGES: tuple[tuple[float, Kind, str, float], ...] = (
    (0.08, "kill", "postgres", 0.0),
    (0.15, "kill", "kafka", 0.0),
    (0.25, "fill_disk", "data folder", 20.0),
    (0.42, "terminate", "postgres", 0.0),
    (0.50, "stop", "kafka", 120.0),
    (0.72, "terminate", "kafka", 0.0),
    (0.80, "kill", "postgres", 0.0),
    (0.86, "stop", "postgres", 15.0),
    (0.92, "kill", "kafka", 0.0),
)
_SHORTEST_STOP_S, _LONGEST_STOP_S = 0.3, 15.0


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """What happens to one process.

    Parameters
    ----------
    at_s : float
        After the start of the run [s].
    kind : str
        SIGKILL, SIGSTOP, SIGTERM, or no space in the data folder.
    victim : str
        Name of a service or server.
    duration_s : float
        Time until SIGCONT, or until there is space again [s]; 0 for the others.
    """

    at_s: float
    kind: Kind
    victim: str
    duration_s: float = 0.0


def make_schedule(
    seed: int, *, n_signals: int, run_s: float, freeze_s: float = 120.0
) -> list[Fault]:
    """Return all faults in time order: `n_signals` to services, and the outages of servers.

    Parameters
    ----------
    seed : int
        Of the random numbers.
    n_signals : int
        SIGKILL and SIGSTOP to services, the same number to each as far as it divides.
    run_s : float
        Length of the run [s].
    freeze_s : float
        How long Kafka is frozen [s].
    """
    rng = random.Random(seed)
    victims = [SERVICES[number % len(SERVICES)] for number in range(n_signals)]
    rng.shuffle(victims)
    times = [run_s * (number + rng.random()) / n_signals for number in range(n_signals)]
    faults = [_signal(rng, at_s, victim) for at_s, victim in zip(times, victims, strict=True)]
    faults += [
        Fault(share * run_s, kind, victim, freeze_s if victim == "kafka" and s else s)
        for share, kind, victim, s in _OUTAGES
    ]
    return sorted(faults)


def _signal(rng: random.Random, at_s: float, victim: str) -> Fault:
    if rng.random() < 0.5:
        return Fault(at_s, "kill", victim)
    return Fault(at_s, "stop", victim, rng.uniform(_SHORTEST_STOP_S, _LONGEST_STOP_S))


def count_by_victim(faults: Sequence[Fault]) -> dict[str, dict[str, int]]:
    """Return how many faults of each kind each victim has."""
    counts: dict[str, dict[str, int]] = {}
    for fault in faults:
        kinds = counts.setdefault(fault.victim, {})
        kinds[fault.kind] = kinds.get(fault.kind, 0) + 1
    return counts
