"""Image accounting, summed over streams and outcomes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from api.models.operations import Ledger, StreamLedger

__all__ = ["sum_ledger"]


def sum_ledger(rows: Sequence[Mapping[str, Any]]) -> Ledger:
    """Return the totals of the rows of table `ledger_total`."""
    outcomes: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    streams: dict[str, Counter[str]] = {}
    for row in rows:
        outcomes[row["outcome"]] += row["n_images"]
        streams.setdefault(row["stream"], Counter())[row["outcome"]] += row["n_images"]
        if row["reason"]:
            reasons[row["reason"]] += row["n_images"]
    return Ledger(
        total=outcomes.total(),
        outcomes=dict(outcomes),
        reasons=dict(reasons),
        streams=[
            StreamLedger(stream=name, outcomes=dict(counts)) for name, counts in streams.items()
        ],
    )
