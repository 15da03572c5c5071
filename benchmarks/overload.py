"""Send ten times what the machine can take, and see that it works it off by itself.

``python -m benchmarks.overload --minutes 1`` measures the throughput of a stack of its own, the
latency at a quarter of that, sends ten times as much for a minute, or for less if that would take
more than six to work off, and waits until every image is booked; then it measures the latency
again, while forced measurements are still made up for. It ends within a quarter of an hour.

Exit code 1 when an image is lost, late, twice or out of order, an alert is lost or twice, a
process has grown by more than half a gigabyte, `livetrap status` fails, is not ready or wrong
about how many wait, the backlog is not worked off in time, or the latency has not come back.
"""

import argparse
import json
import math
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
from confluent_kafka import KafkaException
from rich.console import Console
from rich.progress import Progress, TaskID

from benchmarks.process_samples import ProcessSampler, Sample, peak
from livetrap.stack.foreground import stop_requests
from schemas.topics import Topics
from tests.support.harness import end_as_with_ctrl_c, save_report
from tests.support.sky_feed import Feed, FeedPlan
from tests.support.stack_under_load import (
    RunningStack,
    ivorn_of_voevent,
    livetrap,
    running_stack,
)

# The backlog must fit: retention is what an operator sets by the longest overload to survive.
_SETTINGS = {"LIVETRAP_KAFKA__RETENTION_BYTES": str(32 << 30)}
_WARM_UP, _PERIOD = 4, 12  # timesteps
_STATUS_EVERY_S = 15.0
_PHASE_S = 300.0
# The backlog of a minute at ten times the throughput of a machine with two cores is a gigabyte: a
# process that reads more ahead than it may shows.
_MOST_GROWTH_MB = 512.0
# How many times `--minutes` it may take to work off what is sent: expected, and at most.
_WORK_OFF, _GIVE_UP = 6.0, 11.0

RATE = """
    select count(*) / extract(epoch from max(time_associated) - min(time_appended)) as per_s
    from image where time_appended >= to_timestamp({since})
"""
LATENCY = """
    select extract(epoch from time_associated - time_appended)::float8 as latency_s,
        extract(epoch from time_appended)::float8 as appended_s
    from image where time_appended >= to_timestamp({since})
"""
_PUBLISHED = "select ivorn from alert where time_published is not null"
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
    failures: list[str] = field(default_factory=list)

    def n_wrong(self) -> int:
        """Return how often status named a number that was never so, or was not ready."""
        return sum(
            not each["ready"]
            or each["images_waiting"] is None
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
    sys.exit(1 if report["failed"] else 0)


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
        self._wait_until_booked(_PHASE_S)
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
        report = {
            "size_px": self._options.size,
            "cores": os.cpu_count(),
            "load": load,
            "throughput_per_s": throughput_per_s,
            **overload,
            **self._count_results(),
            "latency_before_s": before,
            "latency_after_s": after,
            "rss_before_mb": {name: each[0].rss_mb for name, each in sampler.samples.items()},
            "peak_rss_mb": {name: peak(each, "rss_mb") for name, each in sampler.samples.items()},
            "growth_mb": {name: growth_mb(each) for name, each in sampler.samples.items()},
            "status_failures": observed.failures,
            "status_wrong": observed.n_wrong(),
            "status": observed.status,
            "samples": {
                name: [asdict(each) for each in all_] for name, all_ in sampler.samples.items()
            },
        }
        return report | {"failed": failures(report)}

    def _count_results(self) -> dict[str, Any]:
        """Return what became of images and alerts."""
        (disorder,) = self._running.fetch(_DISORDER)
        outcomes = {
            row["outcome"]: int(row["n"])
            for row in self._running.fetch(
                "select outcome, sum(n_images) as n from ledger_total group by outcome"
            )
        }
        stored = {row["ivorn"] for row in self._running.fetch(_PUBLISHED)}
        on_kafka = self._running.ivorns(Topics().alerts_voevent, ivorn_of_voevent)
        return {
            "sent": self._running.n_on_kafka(Topics().images),
            "booked": self._running.n_booked(),
            "outcomes": outcomes,
            "out_of_order": int(disorder[0]),
            "alerts": len(stored),
            "alerts_lost": len(stored - set(on_kafka)),
            "alerts_twice": sum(n > 1 for n in on_kafka.values()),
        }

    def _wait_until_booked(self, timeout_s: float) -> bool:
        """Wait until every image that was sent is booked; return whether it is.

        Forced measurements come last, and are not waited for.
        """
        try:
            self._running.wait_until_booked(self._feed.n_acknowledged, timeout_s=timeout_s)
        except TimeoutError as error:
            self._console.print(str(error))
            return False
        return True

    def _send(self, n_timesteps: int, images_per_s: float | None) -> int:
        """Send the next timesteps; return how many images these were."""
        first, self._timestep = self._timestep, self._timestep + n_timesteps
        self._feed.send(first, self._timestep, images_per_s=images_per_s)
        return n_timesteps * self._n_bands

    def _measure_throughput(self) -> float:
        """Return how many images are booked a second while more wait [1/s]."""
        since = time.time()
        self._send(400 // self._n_bands, None)
        self._wait_until_booked(_PHASE_S)
        return float(self._running.fetch(RATE.format(since=since))[0]["per_s"])

    def _measure_latency(self, images_per_s: float) -> dict[str, float]:
        """Return percentiles of the time from Kafka's clock to the associator's commit [s]."""
        since = time.time()
        n_images = self._options.probe * images_per_s
        self._send(max(4, round(n_images / self._n_bands)), images_per_s)
        self._wait_until_booked(_PHASE_S)
        rows = self._running.fetch(LATENCY.format(since=since))
        p50, p99 = np.percentile([row["latency_s"] for row in rows], [50, 99])
        return {"p50": float(p50), "p99": float(p99), "n": len(rows)}

    def _overload(self, throughput_per_s: float, observed: Observed) -> dict[str, Any]:
        """Send too much for a while; return when everything is booked."""
        images_per_s = self._options.factor * throughput_per_s
        most_s = self._options.minutes * 60
        n_images = min(images_per_s, throughput_per_s * _WORK_OFF) * most_s
        n_timesteps = round(n_images / self._n_bands)
        stop = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(observed, stop))
        watcher.start()
        started_s = time.monotonic()
        try:
            n_images = self._send(n_timesteps, images_per_s)
            sent_s, sent_at = time.monotonic() - started_s, time.time()
            is_worked_off = self._wait_until_booked(_GIVE_UP * most_s)
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
            "is_worked_off": is_worked_off,
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
            except (OSError, asyncpg.PostgresError, RuntimeError, KafkaException) as error:
                observed.failures.append(repr(error))
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
        return self._running.n_on_kafka(Topics().images), self._running.n_booked()


def growth_mb(samples: Sequence[Sample]) -> float:
    """Return by how much a process grew; shared pages count by their share if that is known."""
    quantity = "rss_mb" if math.isnan(samples[0].pss_mb) else "pss_mb"
    return peak(samples, quantity) - float(getattr(samples[0], quantity))


def failures(report: Mapping[str, Any]) -> list[str]:
    """Return in words what an overload must not do, and did."""
    before_s, after_s = report["latency_before_s"]["p50"], report["latency_after_s"]["p50"]
    grown = [name for name, each in report["growth_mb"].items() if not each <= _MOST_GROWTH_MB]
    checks = {
        f"{report['sent'] - report['booked']} images lost": report["booked"] == report["sent"],
        f"outcomes {report['outcomes']}": set(report["outcomes"]) == {"processed"},
        f"{report['out_of_order']} timesteps out of order": not report["out_of_order"],
        f"{report['alerts_lost']} alerts lost": not report["alerts_lost"],
        f"{report['alerts_twice']} alerts twice": not report["alerts_twice"],
        "the backlog was not worked off": report["is_worked_off"],
        f"memory of {', '.join(grown)}": not grown,
        "status was never asked": report["status"],
        f"status was wrong {report['status_wrong']} times": not report["status_wrong"],
        f"status failed: {report['status_failures']}": not report["status_failures"],
        f"latency {before_s:.2f} s before, {after_s:.2f} s after": after_s <= 3 * before_s + 1,
    }
    return [words for words, is_so in checks.items() if not is_so]


def _render(report: dict[str, Any]) -> str:
    """Return the report as text."""
    loads = ", ".join(f"{each:.1f}" for each in report["load"])
    head = (
        f"{report['size_px']} px, {report['cores']} cores, load {loads}\n"
        f"throughput {report['throughput_per_s']:.1f} images/s; sent "
        f"{report['overload_per_s']:.0f}/s for {report['overload_s']:.0f} s "
        f"({report['overload_images']} images), worked off in {report['worked_off_s']:.0f} s "
        f"more\nsent {report['sent']}, booked {report['booked']} {report['outcomes']}, "
        f"timesteps out of order {report['out_of_order']}\n"
        f"alerts {report['alerts']}, lost {report['alerts_lost']}, twice {report['alerts_twice']}"
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
    lines += [f"FAILED: {each}" for each in report["failed"]] or ["passed"]
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
    with stop_requests():
        main()
