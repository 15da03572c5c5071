"""LiveTrap's source finder beside SEP, PySE and photutils: speed and accuracy in one run.

Every round runs all finders once on the same field, each on a fresh copy of the image, on one
core; ratios are medians over rounds of the ratio within a round. ``--plots DIR`` draws them.
Run it with nothing else running: ``python -m benchmarks.bench_extract``.
"""

import argparse
import contextlib
import io
import json
import logging
import os
import statistics
import time
import warnings
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.extraction.peers import PEERS, Measured
from benchmarks.extraction.score import Score, score
from benchmarks.extraction.sky import GeneratedField, generate_field
from benchmarks.extraction.stages import measure_stages

N_SOURCES = {512: 30, 1024: 100, 2048: 500, 4096: 2000}
ACCURACY_SIZE, ACCURACY_SOURCES, ACCURACY_SNR = 2048, 1000, 8.0

Times = dict[str, list[float]]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(N_SOURCES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3, help="for each seed")
    parser.add_argument("--finders", nargs="+", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--stages", action="store_true", help="only where the time goes")
    parser.add_argument("--json", type=Path, help="write all figures here too")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="draw them here")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    use_one_core()
    print(f"cores {os.cpu_count()}, load {os.getloadavg()[0]:.2f} before the start\n")
    if options.stages:
        print_stages(options.sizes)
        return
    times = {size: measure_times(size, options) for size in options.sizes}
    scores = {
        "mixed": measure_accuracy(options, mixed=True, min_snr=3.0),
        "points": measure_accuracy(options, mixed=False, min_snr=ACCURACY_SNR),
    }
    print(f"load {os.getloadavg()[0]:.2f} at the end")
    if options.json:
        options.json.write_text(json.dumps(to_json(times, scores), indent=1))
    if options.plots:
        from benchmarks.extraction.plots import draw  # noqa: PLC0415  (matplotlib is slow)

        draw(times, scores, options.plots)


def print_stages(sizes: list[int]) -> None:
    """Print the stages of each size as a table [ms]."""
    tables = [
        measure_stages(generate_field(size, N_SOURCES[size], 1, mixed=True)) for size in sizes
    ]
    print("CPU time [ms]".ljust(44) + "".join(f"{size:>10}" for size in sizes))
    for name in tables[0]:
        print(name.ljust(44) + "".join(f"{table[name]:10.2f}" for table in tables))


def use_one_core() -> None:
    """Pin this process to one core: BLAS and numba threads would else blur the comparison."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def run_quietly(name: str, field: GeneratedField) -> tuple[float, Measured]:
    """Return the CPU time of one call [s] and what it found; some peers print and set errors."""
    finder = PEERS[name](field)
    with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
        started_s = time.process_time()
        found = finder.find()
        return time.process_time() - started_s, finder.read(found)


def measure_times(size: int, options: argparse.Namespace) -> Times:
    """Return CPU times of every finder, one for each round [s], and print a table."""
    times: Times = {name: [] for name in options.finders}
    for seed in range(options.seeds):
        field = generate_field(size, N_SOURCES.get(size, size**2 // 8000), seed, mixed=True)
        for name in options.finders:
            run_quietly(name, field)  # compiles, fills caches of the code
        for _ in range(options.rounds):
            for name in options.finders:
                times[name].append(run_quietly(name, field)[0])
    print(f"{size} x {size} px, {N_SOURCES.get(size, size**2 // 8000)} sources")
    print(f"  {'finder':<14}  {'median ms':>10}  {'best ms':>10}  {'over livetrap':>13}")
    for name, values in times.items():
        print(
            f"  {name:<14}  {1e3 * statistics.median(values):10.1f}  {1e3 * min(values):10.1f}"
            f"  {ratio(times, name):12.1f}x"
        )
    print(flush=True)
    return times


def ratio(times: Times, name: str) -> float:
    """Return the median over rounds of a finder's time over that of LiveTrap."""
    own = times.get("livetrap", times[name])
    return statistics.median(other / ours for other, ours in zip(times[name], own, strict=True))


def measure_accuracy(
    options: argparse.Namespace, *, mixed: bool, min_snr: float
) -> dict[str, Score]:
    """Return the scores of every finder over all seeds, and print a table."""
    fields = [
        generate_field(ACCURACY_SIZE, ACCURACY_SOURCES, 100 + seed, mixed=mixed, min_snr=min_snr)
        for seed in range(options.seeds)
    ]
    what = "3 % extended, 3 % blended" if mixed else f"points above {min_snr:g} sigma"
    print(f"{options.seeds} fields of {ACCURACY_SIZE} px, {ACCURACY_SOURCES} sources, {what}")
    print(
        f"  {'finder':<14}  {'found':>6} {'C8':>7} {'R5':>7} {'pos/Condon':>10} {'peak %':>7}"
        f" {'flux %':>7}  pulls: {'peak':>6} {'flux':>6} {'x':>6} {'y':>6}"
    )
    scores = {}
    for name in options.finders:
        result = score([(field, run_quietly(name, field)[1]) for field in fields])
        scores[name] = result
        print(
            f"  {name:<14}  {result.n_found:6d} {result.completeness_8:7.4f}"
            f" {result.reliability_5:7.4f} {result.position_ratio:10.3f}"
            f" {100 * result.peak_bias:+7.2f} {100 * result.flux_bias:+7.2f}"
            f"         {result.peak_pull:6.3f} {result.flux_pull:6.3f} {result.x_pull:6.3f}"
            f" {result.y_pull:6.3f}"
        )
    print(flush=True)
    return scores


def to_json(times: dict[int, Times], scores: dict[str, dict[str, Score]]) -> dict[str, object]:
    """Return all figures as plain values."""
    return {
        "times_s": {str(size): table for size, table in times.items()},
        "scores": {
            what: {name: asdict(each) for name, each in table.items()}
            for what, table in scores.items()
        },
    }


if __name__ == "__main__":
    main()
