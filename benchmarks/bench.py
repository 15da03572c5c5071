"""All figures of this machine in one table: the source finder beside others, and the whole stack.

``python -m benchmarks.bench --compare build/bench-old.json`` runs `bench_extract`,
`extraction/process`, `extraction/cost_per_file` and `bench_end_to_end`, at least three rounds
each, prints medians with the load, writes JSON beside them, and compares with an older run. Run it
with nothing else running (half an hour); ``--quick`` takes small images, to see that it works.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.bench_end_to_end import Plan, measure
from benchmarks.extraction.cost_per_file import measure_files
from benchmarks.extraction.process import measure_process
from benchmarks.figures import Figure, read_older, to_json, to_table
from livetrap.stack.foreground import stop_requests

PARTS = ("extract", "process", "files", "stack")
LEAST_ROUNDS = 3


def main() -> None:
    """Run, print, write JSON."""
    options = _parse()
    older = read_older(options.compare) if options.compare else None
    before = os.getloadavg()[0]
    figures: list[Figure] = []
    if "extract" in options.parts:
        figures += measure_extraction(options)
    if "process" in options.parts:
        sides_px = (512,) if options.quick else (1024, 2300, 4096)
        figures += measure_process(options.rounds, sides_px=sides_px)
    if "files" in options.parts:
        figures += measure_files(options.rounds, side_px=512 if options.quick else 1024)
    if "stack" in options.parts:
        figures += measure(_plan(options))
    load = before, os.getloadavg()[0]
    print(f"cores {os.cpu_count()}, {platform.machine()}, Python {platform.python_version()}")
    print(to_table(figures, load=load, older=older))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    about = {
        "cores": os.cpu_count(),
        "time": datetime.now(UTC).isoformat(),
        "quick": options.quick,
    }
    options.json.write_text(to_json(figures, load=load, **about), encoding="utf-8")
    print(f"\n{options.json}")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=LEAST_ROUNDS)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--quick", action="store_true", help="small images, few of them")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"))
    parser.add_argument("--compare", type=Path, metavar="OLD.json", help="an earlier --json")
    options = parser.parse_args()
    if options.rounds < LEAST_ROUNDS:
        parser.error(f"--rounds {options.rounds}: a median needs {LEAST_ROUNDS} or more")
    return options


def _plan(options: argparse.Namespace) -> Plan:
    if options.quick:
        return Plan(256, 20, 2, 8, 0.5, n_rounds=options.rounds)
    return Plan(n_rounds=options.rounds)


def measure_extraction(options: argparse.Namespace) -> list[Figure]:
    """Run `bench_extract`, which pins itself to a core, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "extract.json"
        arguments = ["--seeds", "1", "--rounds", str(options.rounds), "--json", str(path)]
        if options.quick:
            arguments += ["--sizes", "512", "--no-accuracy"]
        subprocess.run([sys.executable, "-m", "benchmarks.bench_extract", *arguments], check=True)
        return extraction_figures(json.loads(path.read_text(encoding="utf-8")))


def extraction_figures(report: dict[str, Any]) -> list[Figure]:
    """Return the figures of the JSON of `bench_extract`."""
    figures = []
    for size, doors in report["times"].items():
        for door, table in doors.items():
            own = [each["cpu_s"] for each in table["livetrap"]]
            place = f"{size} px from {door}"
            figures.append(Figure(f"extract, {place}", "ms", tuple(1e3 * each for each in own)))
            figures += [
                Figure(
                    f"{name} over extract, {place}", "CPU",
                    tuple(other["cpu_s"] / ours for other, ours in zip(values, own, strict=True)),
                    is_higher_better=not name.startswith("livetrap"),
                )
                for name, values in table.items()
                if name != "livetrap"
            ]  # fmt: skip
    for what, table in report["scores"].items():
        score = table["livetrap"]
        figures += [
            Figure(
                f"{title}, {what}", unit, (factor * abs(score[key]),), is_higher_better=is_higher
            )
            for title, key, unit, factor, is_higher in _SCORES
        ]
    return figures


_SCORES = (
    ("completeness above 8 sigma", "completeness_8", "-", 1.0, True),
    ("reliability above 5 sigma", "reliability_5", "-", 1.0, True),
    ("position error over Condon's bound", "position_ratio", "-", 1.0, False),
    ("bias of the peak, absolute", "peak_bias", "%", 100.0, False),
)


if __name__ == "__main__":
    with stop_requests():
        main()
