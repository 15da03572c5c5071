"""LiveTrap's source finder beside SEP, PySE and photutils: speed and accuracy in one run.

Every finder runs in a process of its own, at its own best settings (`benchmarks.extraction.peers`
says which), all on the same core with one thread. Every round runs each of them once, one after
the other, on the same field: from pixels, from the bytes of a FITS file to positions on the sky,
and from pixels of up to ten images in a stream. The input is a new copy that is in no cache, and
neither is the finder's code, but in the stream, where an image follows another. Ratios are medians
over rounds of the ratio within a round. ``--plots DIR`` draws them.
Run it with nothing else running: ``python -m benchmarks.bench_extract``.
"""

import argparse
import json
import logging
import os
import pickle
import statistics
import tempfile
import warnings
from contextlib import ExitStack, closing
from dataclasses import asdict
from pathlib import Path

from benchmarks.extraction.peers import PEERS, Measured
from benchmarks.extraction.score import Score, score
from benchmarks.extraction.sky import GeneratedField, generate_field
from benchmarks.extraction.stages import measure_stages
from benchmarks.extraction.workers import DOORS, Timing, Worker, use_one_core

N_SOURCES = {512: 30, 1024: 100, 2048: 500, 4096: 2000}
ACCURACY_SIZE, ACCURACY_SOURCES, ACCURACY_SNR = 2048, 1000, 8.0

# Door -> finder -> times of the rounds.
Times = dict[str, dict[str, list[Timing]]]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(N_SOURCES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3, help="for each seed")
    parser.add_argument("--finders", nargs="+", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--stages", action="store_true", help="only where the time goes")
    parser.add_argument("--no-accuracy", action="store_true", help="only speed")
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
    with ExitStack() as stack:
        workers = {name: stack.enter_context(closing(Worker(name))) for name in options.finders}
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        times = {size: measure_times(size, workers, options, folder) for size in options.sizes}
        kinds = {} if options.no_accuracy else {"mixed": 3.0, "points": ACCURACY_SNR}
        scores = {
            what: measure_accuracy(workers, options, folder, min_snr=min_snr)
            for what, min_snr in kinds.items()
        }
    print(f"load {os.getloadavg()[0]:.2f} at the end")
    if options.json:
        options.json.write_text(json.dumps(to_json(times, scores), indent=1))
    if options.plots and scores:
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


def load(field: GeneratedField, workers: dict[str, Worker], folder: Path) -> None:
    """Give all finders a field."""
    path = folder / "field.pickle"
    path.write_bytes(pickle.dumps(field))
    for worker in workers.values():
        worker.load(path)


def measure_times(
    size: int, workers: dict[str, Worker], options: argparse.Namespace, folder: Path
) -> Times:
    """Return the times of every finder at each door, one for each round, and print a table."""
    n_sources = N_SOURCES.get(size, size**2 // 8000)
    times: Times = {door: {name: [] for name in workers} for door in DOORS}
    for seed in range(options.seeds):
        load(generate_field(size, n_sources, seed, mixed=True), workers, folder)
        for _ in range(options.rounds):
            for door in DOORS:
                for name, worker in workers.items():
                    times[door][name].append(worker.time(door))
    print(f"{size} x {size} px, {n_sources} sources; load {os.getloadavg()[0]:.2f}")
    print(f"  {'from':<8}{'finder':<14}{'CPU ms':>10}{'wall ms':>10}{'CPU over livetrap':>20}")
    for door, table in times.items():
        for name, values in table.items():
            cpu_ms = 1e3 * statistics.median(each.cpu_s for each in values)
            wall_ms = 1e3 * statistics.median(each.wall_s for each in values)
            print(f"  {door:<8}{name:<14}{cpu_ms:10.1f}{wall_ms:10.1f}{ratio(table, name):19.1f}x")
    print(flush=True)
    return times


def ratio(table: dict[str, list[Timing]], name: str) -> float:
    """Return the median over rounds of a finder's CPU time over that of LiveTrap."""
    own = table.get("livetrap", table[name])
    pairs = zip(table[name], own, strict=True)
    return statistics.median(other.cpu_s / ours.cpu_s for other, ours in pairs)


def measure_accuracy(
    workers: dict[str, Worker], options: argparse.Namespace, folder: Path, *, min_snr: float
) -> dict[str, Score]:
    """Return the scores of every finder over all seeds, and print a table."""
    is_mixed = min_snr < ACCURACY_SNR
    results: dict[str, list[tuple[GeneratedField, Measured]]] = {name: [] for name in workers}
    for seed in range(options.seeds):
        field = generate_field(
            ACCURACY_SIZE, ACCURACY_SOURCES, 100 + seed, mixed=is_mixed, min_snr=min_snr
        )
        load(field, workers, folder)
        for name, worker in workers.items():
            results[name].append((field, worker.find()))
    what = "3 % extended, 3 % blended" if is_mixed else f"points above {min_snr:g} sigma"
    print(f"{options.seeds} fields of {ACCURACY_SIZE} px, {ACCURACY_SOURCES} sources, {what}")
    print(
        f"  {'finder':<14}  {'found':>6} {'C8':>7} {'R5':>7} {'pos/Condon':>10} {'peak %':>7}"
        f" {'flux %':>7}  pulls: {'peak':>6} {'flux':>6} {'x':>6} {'y':>6}"
    )
    scores = {name: score(each) for name, each in results.items()}
    for name, result in scores.items():
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
        "times": {
            str(size): {
                door: {name: [asdict(each) for each in values] for name, values in table.items()}
                for door, table in doors.items()
            }
            for size, doors in times.items()
        },
        "scores": {
            what: {name: asdict(each) for name, each in table.items()}
            for what, table in scores.items()
        },
    }


if __name__ == "__main__":
    main()
