"""What was lost, what came twice, what differs: the verdict on a disturbed run."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.rows import Difference, Table, compare
from tests.faults.schedule import Fault, count_by_victim

__all__ = ["Outcome", "Side", "judge", "render"]

_MOST_SHOWN = 20


@dataclass(frozen=True)
class Side:
    """What one run left behind."""

    n_sent: int
    n_booked: int
    n_dead_letters: int
    tables: dict[str, Table]
    voevents: Counter[str]
    notices: Counter[str]
    heard: list[str]


@dataclass(frozen=True)
class Outcome:
    """The comparison of two runs."""

    seed: int
    faults: dict[str, dict[str, int]]
    n_images: int
    n_sent: int
    balance: int
    n_dead_letters: int
    tables: dict[str, Difference]
    alerts: dict[str, dict[str, int]]
    n_vtp_repeats_allowed: int
    load: float = field(default_factory=lambda: os.getloadavg()[0])

    @property
    def n_lost(self) -> int:
        lost_alerts = sum(each["lost"] for each in self.alerts.values())
        return self.balance + self.n_dead_letters + lost_alerts

    @property
    def n_twice(self) -> int:
        """Count alerts that came twice; VTP cannot know what a dying server has sent."""
        twice = sum(each["twice"] for name, each in self.alerts.items() if name != "VTP")
        return twice + max(0, self.alerts["VTP"]["twice"] - self.n_vtp_repeats_allowed)

    @property
    def n_differing(self) -> int:
        return sum(each.n for each in self.tables.values())

    @property
    def is_equal(self) -> bool:
        return not (self.n_lost or self.n_twice or self.n_differing)

    def to_json(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "load": self.load,
            "faults": self.faults,
            "images": self.n_images,
            "sent": self.n_sent,
            "balance": self.balance,
            "dead_letters": self.n_dead_letters,
            "lost": self.n_lost,
            "twice": self.n_twice,
            "alerts": self.alerts,
            "tables": {name: vars(each) for name, each in self.tables.items()},
        }


def judge(undisturbed: Side, disturbed: Side, done: Sequence[Fault], *, seed: int) -> Outcome:
    """Compare two runs of the same images, the second one with the faults that were done."""
    faults = count_by_victim(done)
    tables = {
        name: compare(expected, disturbed.tables[name])
        for name, expected in undisturbed.tables.items()
    }
    expected = set(undisturbed.voevents)
    channels = {
        "Kafka VOEvent": disturbed.voevents,
        "Kafka notice": disturbed.notices,
        "VTP": Counter(disturbed.heard),
    }
    distribute = faults.get("distribute", {})
    return Outcome(
        seed=seed,
        faults=faults,
        n_images=len(disturbed.tables["images"]),
        n_sent=disturbed.n_sent,
        balance=abs(disturbed.n_sent - disturbed.n_booked),
        n_dead_letters=disturbed.n_dead_letters,
        tables=tables,
        alerts={name: _count(expected, heard) for name, heard in channels.items()},
        # At most the alert in flight, each time that its server ends or cannot store the answer.
        n_vtp_repeats_allowed=distribute.get("kill", 0) + sum(faults.get("postgres", {}).values()),
    )


def _count(expected: set[str], heard: Counter[str]) -> dict[str, int]:
    return {
        "expected": len(expected),
        "received": len(heard),
        "lost": len(expected - set(heard)),
        "unexpected": len(set(heard) - expected),
        "twice": heard.total() - len(heard),
    }


def render(outcome: Outcome) -> str:
    """Return the verdict as tables for a person."""
    kinds = ("kill", "stop", "terminate", "fill_disk")
    lines = [f"seed {outcome.seed}, load {outcome.load:.1f}", "", _row("victim", *kinds)]
    lines += [
        _row(victim, *(counts.get(kind, 0) for kind in kinds))
        for victim, counts in sorted(outcome.faults.items())
    ]
    lines += ["", _row("rows", "all", "missing", "extra", "differing")]
    lines += [
        _row(name, each.n_rows, len(each.missing), len(each.extra), len(each.differing))
        for name, each in outcome.tables.items()
    ]
    columns = ("expected", "received", "lost", "unexpected", "twice")
    lines += ["", _row("alerts", *columns)]
    lines += [
        _row(name, *(each[column] for column in columns)) for name, each in outcome.alerts.items()
    ]
    for name, each in outcome.tables.items():
        for kind in ("missing", "extra", "differing"):
            lines += [f"{name} {kind}: {row}" for row in getattr(each, kind)[:_MOST_SHOWN]]
    lines.append("")
    lines.append(
        f"images {outcome.n_images}, messages on images-v1 {outcome.n_sent}, "
        f"not booked {outcome.balance}, dead letters {outcome.n_dead_letters}"
    )
    lines.append(
        f"lost {outcome.n_lost}, twice {outcome.n_twice}, differing rows {outcome.n_differing}"
    )
    return "\n".join(lines)


def _row(name: str, *cells: object) -> str:
    return f"{name:<16}" + "".join(f"{cell!s:>12}" for cell in cells)
