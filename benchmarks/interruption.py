"""Interrupt extraction under load, and see how long the latency takes to be what it was.

``python -m benchmarks.interruption`` measures what a stack of its own sustains, sends 90 % of
that, stops the extractors for 30 s (SIGSTOP: a node that hangs), and draws the latency of every
image. It has recovered at the first moment from which no period of five seconds has a median above
the largest one before. Exit code 1 when an image is lost or late, or it takes more than a minute.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.overload import LATENCY, RATE
from livetrap.stack.foreground import stop_requests
from tests.support.harness import end_as_with_ctrl_c, save_report
from tests.support.sky_feed import Feed, FeedPlan
from tests.support.stack_under_load import RunningStack, running_stack

_PERIOD, _WARM_UP = 12, 4
_BIN_S = 5.0
_MOST_RECOVERY_S = 60.0
_DONE_S = 3600.0


def main() -> None:
    """Run, print, write JSON and the plot."""
    end_as_with_ctrl_c()
    options = _parse()
    with (
        tempfile.TemporaryDirectory(prefix="livetrap-interruption-") as folder,
        running_stack(Path(folder) / "data", settings={}) as running,
    ):
        report = run(running, options)
    save_report(report, options.json, text=render(report))
    if options.plot:
        draw(report, options.plot)
    sys.exit(0 if report["ok"] else 1)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.interruption", description=__doc__)
    parser.add_argument("--share", type=float, default=0.9, help="of the sustained rate")
    parser.add_argument("--interruption", type=float, default=30.0, help="its length [s]")
    parser.add_argument("--probe", type=int, default=400, help="images that show that rate")
    parser.add_argument("--before", type=float, default=60.0, help="of normal operation [s]")
    parser.add_argument("--after", type=float, default=180.0, help="of sending after it [s]")
    parser.add_argument("--size", type=int, default=1024, help="side of an image [px]")
    parser.add_argument("--json", type=Path, default=Path("build/interruption.json"))
    parser.add_argument("--plot", type=Path, help="needs the extra bench (matplotlib)")
    return parser.parse_args()


def run(running: RunningStack, options: argparse.Namespace) -> dict[str, Any]:
    """Return the report: latencies by the time at which Kafka stored the image."""
    load = [os.getloadavg()[0]]
    plan = FeedPlan(
        n_streams=1, n_bands=4, size_px=options.size, n_timesteps=1 << 30, period=_PERIOD
    )
    feed, n_bands = Feed(plan, running.kafka), plan.n_streams * plan.n_bands
    feed.send(0, _WARM_UP, images_per_s=None)
    running.wait_until_done(timeout_s=_DONE_S)
    since = time.time()
    first = _WARM_UP + options.probe // n_bands
    feed.send(_WARM_UP, first, images_per_s=None)
    running.wait_until_done(timeout_s=_DONE_S)
    sustained_per_s = float(running.fetch(RATE.format(since=since))[0]["per_s"])
    rate_per_s = options.share * sustained_per_s
    span_s = options.before + options.interruption + options.after
    since = time.time()
    interrupter = threading.Thread(target=interrupt, args=(running, options))
    interrupter.start()
    feed.send(first, first + round(span_s * rate_per_s / n_bands), images_per_s=rate_per_s)
    interrupter.join()
    running.wait_until_done(timeout_s=_DONE_S)
    rows = running.fetch(LATENCY.format(since=since))
    at_s = [row["appended_s"] - since for row in rows]
    latency_s = [row["latency_s"] for row in rows]
    resumed_s = options.before + options.interruption
    recovered_s = recovery_s(at_s, latency_s, stopped_s=options.before, resumed_s=resumed_s)
    n_sent, n_booked = running.n_on_kafka("images-v1"), running.n_booked()
    return {
        "size_px": options.size,
        "cores": os.cpu_count(),
        "load": [*load, os.getloadavg()[0]],
        "sustained_per_s": sustained_per_s,
        "rate_per_s": rate_per_s,
        "stopped_s": options.before,
        "resumed_s": resumed_s,
        "recovered_s": recovered_s,
        "sent": n_sent,
        "booked": n_booked,
        "at_s": at_s,
        "latency_s": latency_s,
        "ok": n_sent == n_booked and recovered_s is not None and recovered_s <= _MOST_RECOVERY_S,
    }


def interrupt(running: RunningStack, options: argparse.Namespace) -> None:
    """Stop the extractors of a stack for a while."""
    time.sleep(options.before)
    processes = running.processes().of("extract")
    for each in processes:
        each.suspend()
    try:
        time.sleep(options.interruption)
    finally:
        for each in processes:
            each.resume()


def recovery_s(
    at_s: Sequence[float], latency_s: Sequence[float], *, stopped_s: float, resumed_s: float
) -> float | None:
    """Return how long after the interruption the latency is what it was before [s].

    Parameters
    ----------
    at_s, latency_s : sequences of float
        When each image came, since the begin, and how long it took.
    stopped_s, resumed_s : float
        Begin and end of the interruption.

    Returns
    -------
    float or None
        Until when periods of 5 s have a larger median than any before; None: to the end.
    """
    at, latency = np.asarray(at_s), np.asarray(latency_s)
    number = np.floor((at - resumed_s) / _BIN_S).astype(int)
    medians = {
        each: float(np.median(latency[number == each])) for each in np.unique(number).tolist()
    }
    # The last whole period before the interruption.
    last_before = int(np.floor((stopped_s - resumed_s) / _BIN_S)) - 1
    former = [value for each, value in medians.items() if each <= last_before]
    if not former:
        raise ValueError(f"no image came {_BIN_S:g} s or more before the interruption")
    slow = [each for each, value in medians.items() if each >= 0 and value > max(former)]
    if not slow:
        return 0.0
    return None if max(slow) == max(medians) else (max(slow) + 1) * _BIN_S


def render(report: dict[str, Any]) -> str:
    """Return the report as text."""
    recovered_s = report["recovered_s"]
    took = "not in this run" if recovered_s is None else f"after {recovered_s:.0f} s"
    loads = ", ".join(f"{each:.1f}" for each in report["load"])
    return (
        f"{report['size_px']} px, {report['cores']} cores, load {loads}\n"
        f"sustained {report['sustained_per_s']:.1f} images/s, sent {report['rate_per_s']:.1f}/s\n"
        f"interrupted for {report['resumed_s'] - report['stopped_s']:.0f} s; former latency "
        f"{took}\nsent {report['sent']}, booked {report['booked']}"
    )


def draw(report: dict[str, Any], path: Path) -> None:
    """Draw the latency of every image over the time at which it came."""
    import matplotlib as mpl  # noqa: PLC0415  (the extra bench)

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    axes.axvspan(report["stopped_s"], report["resumed_s"], color="0.85", label="interrupted")
    axes.semilogy(report["at_s"], report["latency_s"], ".", markersize=3, label="image")
    if report["recovered_s"] is not None:
        at_s = report["resumed_s"] + report["recovered_s"]
        axes.axvline(at_s, color="black", linestyle=":", label="former latency again")
    axes.set_xlabel("time at which Kafka stored the image [s]")
    axes.set_ylabel("latency to the catalogue [s]")
    axes.set_title(
        f"{report['size_px']} px, {report['rate_per_s']:.1f} images/s, "
        f"{100 * report['rate_per_s'] / report['sustained_per_s']:.0f} % of the sustained rate"
    )
    axes.legend(fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    with stop_requests():
        main()
