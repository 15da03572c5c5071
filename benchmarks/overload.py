"""Send ten times what the machine can take, and see that it works it off by itself.

``python -m benchmarks.overload --minutes 1`` measures the throughput of a stack of its own, the
latency at a quarter of that, sends ten times as much, and waits until everything is booked, which
takes ten times as long as it was sent; then it measures the latency again. Exit code 1 when an
image is lost, late or out of order, or `livetrap status` is wrong about how many wait.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
from rich.console import Console
from rich.progress import Progress, TaskID

from benchmarks.process_samples import ProcessSampler, peak
from tests.support.harness import end_as_with_ctrl_c, save_report
from tests.support.sky_feed import Feed, FeedPlan
from tests.support.stack_under_load import RunningStack, livetrap, running_stack

# The backlog must fit: retention is what an operator sets by the longest overload to survive.
_SETTINGS = {"LIVETRAP_KAFKA__RETENTION_BYTES": str(32 << 30)}
_WARM_UP, _PERIOD = 4, 12  # timesteps
_DONE_S = 7200.0
_STATUS_EVERY_S = 15.0

RATE = """
    select count(*) / extract(epoch from max(time_associated) - min(time_appended)) as per_s
    from image where time_appended >= to_timestamp({since})
"""
LATENCY = """
    select extract(epoch from time_associated - time_appended)::float8 as latency_s,
        extract(epoch from time_appended)::float8 as appended_s
    from image where time_appended >= to_timestamp({since})
"""
# A timestep that was associated after a newer one of its stream.
_DISORDER = """
    select count(*) from (
        select time_start, max(time_start) over (
            partition by stream_id order by id rows between unbounded preceding and 1 preceding
        ) as newest from timestep
    ) as ordered where time_start < newest
"""


@dataclass
class Observed:
    """What was seen during the overload."""

    status: list[dict[str, Any]] = field(default_factory=list)

    def n_wrong(self) -> int:
        """Return how often status named a number that was never so while it looked."""
        return sum(
            each["images_waiting"] is None
            or not each["least_waiting"] <= each["images_waiting"] <= each["most_waiting"]
            for each in self.status
        )


def main() -> None:
    """Run, print, write JSON."""
    end_as_with_ctrl_c()
    options = _parse()
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="livetrap-overload-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        running = stack.enter_context(running_stack(folder / "data", settings=_SETTINGS))
        report = stack.enter_context(_Overload(running, options).running())
    save_report(report, options.json, text=_render(report))
    if options.plot:
        draw(report, options.plot)
        print(options.plot)
    sys.exit(0 if report["ok"] else 1)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overload", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="length of the overload [min]")
    parser.add_argument("--factor", type=float, default=10.0, help="times the throughput")
    parser.add_argument("--size", type=int, default=128, help="side of an image [px]")
    parser.add_argument("--probe", type=float, default=30.0, help="of normal operation [s]")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, default=Path("build/overload.json"))
    parser.add_argument("--plot", type=Path, help="needs the extra bench (matplotlib)")
    return parser.parse_args()


class _Overload:
    """The phases, one after the other, on one stack."""

    def __init__(self, running: RunningStack, options: argparse.Namespace) -> None:
        self._running = running
        self._options = options
        plan = FeedPlan(
            size_px=options.size, n_timesteps=1 << 30, seed=options.seed, period=_PERIOD
        )
        self._feed = Feed(plan, running.kafka)
        self._n_bands = plan.n_streams * plan.n_bands
        self._timestep = 0
        self._console = Console(stderr=True)

    @contextmanager
    def running(self) -> Iterator[dict[str, Any]]:
        """Run all phases and give the report, while the stack still runs."""
        with Progress(console=self._console) as progress:
            task = progress.add_task("warm-up", total=None)
            yield self._run(progress, task)

    def _run(self, progress: Progress, task: TaskID) -> dict[str, Any]:
        load = [os.getloadavg()[0]]
        self._send(_WARM_UP, None)
        self._running.wait_until_done(timeout_s=_DONE_S)
        progress.update(task, description="throughput")
        throughput_per_s = self._measure_throughput()
        normal_per_s = throughput_per_s / 4
        progress.update(task, description="latency before")
        before = self._measure_latency(normal_per_s)
        sampler = ProcessSampler(self._running.processes(), interval_s=2.0)
        sampler.start()
        progress.update(task, description="overload")
        load.append(os.getloadavg()[0])
        observed = Observed()
        overload = self._overload(throughput_per_s, observed)
        sampler.stop()
        progress.update(task, description="latency after")
        after = self._measure_latency(normal_per_s)
        load.append(os.getloadavg()[0])
        (disorder,) = self._running.fetch(_DISORDER)
        outcomes = {
            row["outcome"]: int(row["n"])
            for row in self._running.fetch(
                "select outcome, sum(n_images) as n from ledger_total group by outcome"
            )
        }
        n_sent = self._running.n_on_kafka("images-v1")
        report = {
            "size_px": self._options.size,
            "cores": os.cpu_count(),
            "load": load,
            "throughput_per_s": throughput_per_s,
            **overload,
            "sent": n_sent,
            "booked": self._running.n_booked(),
            "outcomes": outcomes,
            "out_of_order": int(disorder[0]),
            "latency_before_s": before,
            "latency_after_s": after,
            "peak_rss_mb": {name: peak(each, "rss_mb") for name, each in sampler.samples.items()},
            "rss_before_mb": {name: each[0].rss_mb for name, each in sampler.samples.items()},
            "status_wrong": observed.n_wrong(),
            "status": observed.status,
            "samples": {
                name: [asdict(each) for each in all_] for name, all_ in sampler.samples.items()
            },
        }
        report["ok"] = (
            report["booked"] == n_sent
            and set(outcomes) == {"processed"}
            and not report["out_of_order"]
            and not report["status_wrong"]
        )
        return report

    def _send(self, n_timesteps: int, images_per_s: float | None) -> int:
        """Send the next timesteps; return how many images these were."""
        first, self._timestep = self._timestep, self._timestep + n_timesteps
        self._feed.send(first, self._timestep, images_per_s=images_per_s)
        return n_timesteps * self._n_bands

    def _measure_throughput(self) -> float:
        """Return how many images are booked a second while more wait [1/s]."""
        since = time.time()
        self._send(400 // self._n_bands, None)
        self._running.wait_until_done(timeout_s=_DONE_S)
        return float(self._running.fetch(RATE.format(since=since))[0]["per_s"])

    def _measure_latency(self, images_per_s: float) -> dict[str, float]:
        """Return percentiles of the time from Kafka's clock to the associator's commit [s]."""
        since = time.time()
        n_images = self._options.probe * images_per_s
        self._send(max(4, round(n_images / self._n_bands)), images_per_s)
        self._running.wait_until_done(timeout_s=_DONE_S)
        rows = self._running.fetch(LATENCY.format(since=since))
        p50, p99 = np.percentile([row["latency_s"] for row in rows], [50, 99])
        return {"p50": float(p50), "p99": float(p99), "n": len(rows)}

    def _overload(self, throughput_per_s: float, observed: Observed) -> dict[str, Any]:
        """Send too much for a while; return when everything is booked."""
        images_per_s = self._options.factor * throughput_per_s
        n_timesteps = round(self._options.minutes * 60 * images_per_s / self._n_bands)
        stop = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(observed, stop))
        watcher.start()
        started_s = time.monotonic()
        try:
            n_images = self._send(n_timesteps, images_per_s)
            sent_s, sent_at = time.monotonic() - started_s, time.time()
            self._running.wait_until_done(timeout_s=_DONE_S)
        finally:
            stop.set()
            watcher.join()
        (last,) = self._running.fetch(
            "select extract(epoch from max(time_associated))::float8 as at from image"
        )
        return {
            "overload_images": n_images,
            "overload_s": sent_s,
            "overload_per_s": n_images / sent_s,
            "worked_off_s": max(0.0, last["at"] - sent_at),
        }

    def _watch(self, observed: Observed, stop: threading.Event) -> None:
        """Compare what `livetrap status` says with what is so."""
        started_s = time.monotonic()
        where = ("--data-dir", str(self._running.data_dir))
        while not stop.wait(_STATUS_EVERY_S):
            try:
                sent, booked = self._count()
                status = json.loads(livetrap("status", "--json", *where))
                sent_later, booked_later = self._count()
            except (OSError, asyncpg.PostgresError, RuntimeError) as error:
                self._console.print(f"status: {error!r}")
                continue
            at_s = time.monotonic() - started_s
            reported = {
                name: status.get(name)
                for name in ("ready", "images_waiting", "last_image_wait_s", "last_image_age_s")
            }
            bounds = {
                "least_waiting": sent - booked_later,
                "most_waiting": sent_later - booked,
            }
            observed.status.append({"at_s": at_s, **bounds, **reported})

    def _count(self) -> tuple[int, int]:
        """Return how many images were sent, and how many have an entry in the ledger."""
        return self._running.n_on_kafka("images-v1"), self._running.n_booked()


def _render(report: dict[str, Any]) -> str:
    """Return the report as text."""
    loads = ", ".join(f"{each:.1f}" for each in report["load"])
    head = (
        f"{report['size_px']} px, {report['cores']} cores, load {loads}\n"
        f"throughput {report['throughput_per_s']:.1f} images/s; sent "
        f"{report['overload_per_s']:.0f}/s for {report['overload_s']:.0f} s "
        f"({report['overload_images']} images), worked off in {report['worked_off_s']:.0f} s "
        f"more\nsent {report['sent']}, booked {report['booked']} {report['outcomes']}, "
        f"timesteps out of order {report['out_of_order']}"
    )
    lines = [head]
    lines += [
        f"latency {name}: p50 {each['p50'] * 1000:.0f} ms, p99 {each['p99'] * 1000:.0f} ms"
        for name, each in (
            ("before", report["latency_before_s"]),
            ("after", report["latency_after_s"]),
        )
    ]
    peaks = ", ".join(
        f"{name} {report['rss_before_mb'][name]:.0f} -> {each:.0f}"
        for name, each in report["peak_rss_mb"].items()
    )
    lines.append(f"RSS before, and its peak [MB]: {peaks}")
    lines.append(f"status was wrong {report['status_wrong']} times of {len(report['status'])}")
    lines += [f"status {each}" for each in report["status"][:: max(1, len(report["status"]) // 8)]]
    return "\n".join(lines)


def draw(report: dict[str, Any], path: Path) -> None:
    """Draw what waits, what `livetrap status` says about it, and the memory of each process."""
    import matplotlib as mpl  # noqa: PLC0415  (the extra bench)

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(2, 1, sharex=True, figsize=(8, 6), layout="constrained")
    minutes = [each["at_s"] / 60 for each in report["status"]]
    really = [each["most_waiting"] for each in report["status"]]
    reported = [each["images_waiting"] for each in report["status"]]
    axes[0].plot(minutes, really, ".-", label="sent, not booked")
    axes[0].plot(minutes, reported, ".-", label="status")
    for name, samples in report["samples"].items():
        times_min = [each["time_s"] / 60 for each in samples]
        axes[1].plot(times_min, [each["pss_mb"] for each in samples], label=name)
    axes[0].set_ylabel("images waiting")
    axes[1].set_ylabel("proportional set size [MB]")
    axes[1].set_xlabel("time since the begin of the overload [min]")
    for each_axes in axes:
        each_axes.axvline(report["overload_s"] / 60, color="grey", linewidth=0.8, linestyle=":")
        each_axes.set_ylim(bottom=0)
        each_axes.legend(ncols=4, fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
