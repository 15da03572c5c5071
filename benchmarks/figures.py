"""Figures of a benchmark: a table, JSON beside it, and the comparison with an older run."""

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from runtime.errors import SettingsError

__all__ = ["Figure", "read_older", "to_json", "to_table"]

# Medians of few rounds on a shared machine differ by this much without a reason.
_NOISE = 0.05


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured in each round.

    Parameters
    ----------
    name, unit : str
        Unit ``-``: a pure number.
    rounds : tuple of float
        One value a round; NaN where a round has none.
    is_higher_better : bool
        Whether a larger value is an improvement.
    """

    name: str
    unit: str
    rounds: tuple[float, ...]
    is_higher_better: bool = False

    @property
    def median(self) -> float:
        """Return the median over the rounds; NaN if no round has a value."""
        values = [each for each in self.rounds if math.isfinite(each)]
        return statistics.median(values) if values else math.nan


def to_table(
    figures: Sequence[Figure],
    *,
    load: tuple[float, float],
    older: dict[str, float] | None = None,
) -> str:
    """Return the table of a run.

    Parameters
    ----------
    figures : sequence of Figure
        Its rows.
    load : (float, float)
        Load averages of one minute before and after.
    older : dict or None
        Medians of an older run by name, as `read_older` returned them.
    """
    head = f"{'figure':<52}{'median':>12}{'least':>12}{'most':>12}  {'unit':<10}rounds"
    if older is not None:
        head += f"{'older':>12}{'change':>9}"
    lines = [f"load {load[0]:.2f} before, {load[1]:.2f} after", "", head]
    for each in figures:
        values = [value for value in each.rounds if math.isfinite(value)] or [math.nan]
        line = (
            f"{each.name:<52}{each.median:12.4g}{min(values):12.4g}{max(values):12.4g}  "
            f"{each.unit:<10}{len(each.rounds):6d}"
        )
        if older is not None:
            line += _change(each, older.get(each.name, math.nan))
        lines.append(line.rstrip())
    return "\n".join(lines)


def _change(figure: Figure, older: float) -> str:
    """Return the older median and the change; a better or worse one is said so beyond noise."""
    if not (math.isfinite(older) and math.isfinite(figure.median) and older):
        return f"{'-':>12}{'-':>9}"
    change = figure.median / older - 1
    verdict = ""
    if abs(change) > _NOISE:
        verdict = " better" if (change > 0) == figure.is_higher_better else " worse"
    return f"{older:12.4g}{100 * change:+8.1f}%{verdict}"


def to_json(figures: Sequence[Figure], *, load: tuple[float, float], **about: Any) -> str:
    """Return a run as JSON: its figures with all rounds, the load, and what else is given."""
    rows = [
        {**asdict(each), "median": each.median if math.isfinite(each.median) else None}
        for each in figures
    ]
    for row in rows:
        row["rounds"] = [value if math.isfinite(value) else None for value in row["rounds"]]
    return json.dumps({**about, "load": load, "figures": rows}, indent=1, allow_nan=False)


def read_older(path: Path) -> dict[str, float]:
    """Return the medians of a run by name.

    Raises
    ------
    SettingsError
        If the file is not the JSON of a run.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["figures"]
        return {
            row["name"]: math.nan if row["median"] is None else float(row["median"])
            for row in rows
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"--compare {path} is not the JSON of an earlier `make bench`: {error!r}"
        ) from error
