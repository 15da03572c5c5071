"""What a further file costs `livetrap extract`, and what it costs SEP, in turn.

``python -m benchmarks.extraction.cost_per_file`` runs both in processes of their own that are
warm, on few files and on many, and prints the difference for each further file. `livetrap extract`
writes its list as CSV, SEP (`sep_files`) writes none. Sources and cells are those of
`bench_extract`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.extraction.measured import ANALYSIS_SIGMA, CELL_PX, DETECTION_SIGMA
from benchmarks.figures import Figure, to_table

__all__ = ["measure_files"]

_SOURCES_A_PIXEL = 100 / 1024**2
_FILES = 20
# Some files are measured again and again. Even numbers: two processes have as much to do.
_FEW, _MANY = 4, 84
_FINDERS = ("livetrap", "sep")
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Used:
    """CPU time of a process and those that it has waited for, and wall clock time [s]."""

    cpu_s: float
    wall_s: float


def measure_files(
    n_rounds: int, *, side_px: int = 1024, jobs: Sequence[int] = (1, 2)
) -> list[Figure]:
    """Return what a further file costs with so many processes, and the ratio of each round."""
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        _write_files(Path(folder), side_px)
        for n_jobs in jobs:
            rounds = [
                [_run_worker(finder, n_jobs, Path(folder)) for finder in _FINDERS]
                for _ in range(n_rounds)
            ]
            figures += _figures(rounds, f"{side_px} px, -j {n_jobs}")
    return figures


def _write_files(folder: Path, side_px: int) -> None:
    from benchmarks.extraction.sky import generate_field, to_fits  # noqa: PLC0415  (workers do not)

    for seed in range(_FILES):
        field = generate_field(side_px, round(_SOURCES_A_PIXEL * side_px**2), seed, mixed=True)
        (folder / f"{seed:02d}.fits").write_bytes(to_fits(field))


def _run_worker(finder: str, n_jobs: int, folder: Path) -> Used:
    done = subprocess.run(
        [sys.executable, "-m", __spec__.name, "--worker", finder, str(n_jobs), str(folder)],
        env=os.environ | dict.fromkeys(_ONE_THREAD, "1"),
        check=True,
        capture_output=True,
        text=True,
    )
    return Used(**json.loads(done.stdout.splitlines()[-1]))


def _figures(rounds: list[list[Used]], place: str) -> list[Figure]:
    own, sep = zip(*rounds, strict=True)
    name, pairs = f"livetrap extract, {place}", list(zip(own, sep, strict=True))
    cpu = tuple(other.cpu_s / ours.cpu_s for ours, other in pairs)
    wall = tuple(other.wall_s / ours.wall_s for ours, other in pairs)
    return [
        Figure(f"{name}, a file", "ms CPU", tuple(1e3 * each.cpu_s for each in own)),
        Figure(f"{name}, a file", "ms", tuple(1e3 * each.wall_s for each in own)),
        Figure(f"sep over {name}", "CPU", cpu, is_higher_better=True),
        Figure(f"sep over {name}", "wall", wall, is_higher_better=True),
    ]


def _work(finder: str, n_jobs: int, folder: Path) -> Used:
    """Return what a further file costs this process, when it is warm."""
    call = _livetrap(n_jobs, folder / "list.csv") if finder == "livetrap" else _sep(n_jobs)
    files = sorted(folder.glob("*.fits"))
    paths = [str(files[number % len(files)]) for number in range(_MANY)]
    call(paths[:_FEW])
    few, many = (_used(lambda n=n: call(paths[:n])) for n in (_FEW, _MANY))
    n_more = _MANY - _FEW
    return Used((many.cpu_s - few.cpu_s) / n_more, (many.wall_s - few.wall_s) / n_more)


def _used(call: Callable[[], None]) -> Used:
    before, wall_s = os.times(), time.perf_counter()
    call()
    after = os.times()
    # User and system, of this process and of its children.
    return Used(sum(after[:4]) - sum(before[:4]), time.perf_counter() - wall_s)


def _livetrap(n_jobs: int, output: Path) -> Callable[[list[str]], None]:
    from livetrap import cli  # noqa: PLC0415  (not of SEP's worker)

    options = [
        "--jobs", str(n_jobs), "--cell", str(CELL_PX), "--output", str(output),
        "--detection-threshold", str(DETECTION_SIGMA),
        "--analysis-threshold", str(ANALYSIS_SIGMA),
    ]  # fmt: skip

    def call(paths: list[str]) -> None:
        if cli.run(["extract", *options, *paths]):
            raise RuntimeError("livetrap extract failed")

    return call


def _sep(n_jobs: int) -> Callable[[list[str]], None]:
    from benchmarks.extraction import sep_files  # noqa: PLC0415  (not of the other worker)

    return lambda paths: sep_files.run(["--jobs", str(n_jobs), *paths])


def main() -> None:
    """Print the table, or be the worker of one finder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--side", type=int, default=1024, metavar="PIXELS")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        finder, n_jobs, folder = options.worker
        print(json.dumps(asdict(_work(finder, int(n_jobs), Path(folder)))))
        return
    before = os.getloadavg()[0]
    figures = measure_files(options.rounds, side_px=options.side)
    print(to_table(figures, load=(before, os.getloadavg()[0])))


if __name__ == "__main__":
    main()
