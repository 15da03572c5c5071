"""Send images at a steady rate for long, and see whether the latency of alerts stays.

``python -m benchmarks.steady --rate 16 --minutes 60`` starts a stack of its own, sends it four
bands of a simulated sky, and follows the first alert of each event by VTP. Latencies are counted
from the last byte of a timestep, as Kafka stored it. Each line of the table is a tenth of the run:
where a stack cannot keep up, the latency grows from line to line. Exit code 1 when an image is not
in the ledger, or an alert did not come.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.bench_end_to_end import Subscriber
from livetrap.stack.foreground import stop_requests
from tests.support.harness import end_as_with_ctrl_c, save_report
from tests.support.sky_feed import Feed, FeedPlan
from tests.support.stack_under_load import RunningStack, running_stack

_N_BANDS, _PERIOD = 4, 12
_N_PARTS = 10
_WARM_UP_S = 20.0
_DONE_S = 1800.0
# Of a timestep's images the last one is waited for.
_IMAGES = """
    select
        image_key,
        extract(epoch from max(time_appended) over same_timestep)::float8 as appended_s,
        extract(epoch from time_associated)::float8 as associated_s
    from image
    window same_timestep as (partition by stream_id, timestep_id)
    order by appended_s
"""
_ALERTS = """
    select alert.ivorn, image_key
    from alert
    inner join transient on transient.id = alert.transient_id
    where alert.alert_type = 'initial'
"""


def main() -> None:
    """Run, print the table and write JSON."""
    end_as_with_ctrl_c()
    options = _parse()
    n_timesteps = round((options.minutes * 60 + _WARM_UP_S) * options.rate / _N_BANDS)
    plan = FeedPlan(
        n_streams=1, n_bands=_N_BANDS, size_px=options.size, n_timesteps=n_timesteps,
        period=_PERIOD, n_steady=options.sources,
    )  # fmt: skip
    load = [os.getloadavg()[0]]
    with (
        tempfile.TemporaryDirectory(prefix="livetrap-steady-") as folder,
        running_stack(Path(folder) / "data", settings={}) as running,
    ):
        report = _send(running, plan, options.rate)
    load.append(os.getloadavg()[0])
    settings = {"size_px": options.size, "sources": options.sources, "rate_per_s": options.rate}
    report = settings | {"cores": os.cpu_count(), "load": load} | report
    save_report(report, options.json, text=_render(report))
    sys.exit(0 if report["ok"] else 1)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.steady", description=__doc__)
    parser.add_argument("--rate", type=float, default=16.0, help="images per second")
    parser.add_argument("--minutes", type=float, default=60.0, help="after 20 s that do not count")
    parser.add_argument("--size", type=int, default=1024, help="side of an image [px]")
    parser.add_argument("--sources", type=int, default=200, help="steady ones in an image")
    parser.add_argument("--json", type=Path, default=Path("build/steady.json"))
    return parser.parse_args()


def _send(running: RunningStack, plan: FeedPlan, rate_per_s: float) -> dict[str, Any]:
    """Send a plan; return counts, and the latencies of each part of the run."""
    feed = Feed(plan, running.kafka)
    feed.render()
    subscriber = Subscriber(running.status["vtp_port"])
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("sending", total=plan.n_images)
        feed.send(
            0, plan.n_timesteps, images_per_s=rate_per_s,
            on_sent=lambda n: progress.update(task, completed=n),
        )  # fmt: skip
    running.wait_until_done(timeout_s=_DONE_S)
    images, alerts = running.fetch(_IMAGES), running.fetch(_ALERTS)
    came = subscriber.wait_for({each["ivorn"] for each in alerts})
    heard = [each for each in alerts if each["ivorn"] in came]
    appended_s = {each["image_key"]: each["appended_s"] for each in images}
    vtp_s = [appended_s[each["image_key"]] for each in heard]
    first_s = images[0]["appended_s"] + _WARM_UP_S
    n_sent, n_booked = running.n_on_kafka("images-v1"), running.n_booked()
    return {
        "sent": n_sent,
        "booked": n_booked,
        "alerts": len(alerts),
        "alerts_by_vtp": len(heard),
        "achieved_per_s": (len(images) - 1) / (images[-1]["appended_s"] - images[0]["appended_s"]),
        "catalogue": by_part(
            [each["appended_s"] - first_s for each in images],
            [each["associated_s"] - each["appended_s"] for each in images],
        ),
        "vtp": by_part(
            [each - first_s for each in vtp_s],
            [came[each["ivorn"]] - at_s for each, at_s in zip(heard, vtp_s, strict=True)],
        ),
        "ok": n_sent == n_booked and len(heard) == len(alerts),
    }


def by_part(at_s: Sequence[float], latency_s: Sequence[float]) -> list[dict[str, float]]:
    """Return number, median and 99th percentile [ms] of all, and of each part in turn."""
    at, latency = np.asarray(at_s), np.asarray(latency_s)
    at, latency = at[at >= 0], latency[at >= 0]
    if not len(at):
        return []
    parts = np.minimum((_N_PARTS * at / (at.max() or 1.0)).astype(int), _N_PARTS - 1)
    return [_summary(latency), *(_summary(latency[parts == part]) for part in range(_N_PARTS))]


def _summary(latency_s: np.ndarray) -> dict[str, float]:
    if not len(latency_s):
        return {"n": 0, "p50_ms": float("nan"), "p99_ms": float("nan")}
    p50, p99 = np.percentile(latency_s, (50, 99)) * 1000
    return {"n": len(latency_s), "p50_ms": float(p50), "p99_ms": float(p99)}


def _render(report: Mapping[str, Any]) -> str:
    before, after = report["load"]
    head = (
        f"{report['sent']} images of {report['size_px']} px with {report['sources']} sources at "
        f"{report['rate_per_s']:g}/s ({report['achieved_per_s']:.2f}/s came), {report['cores']} "
        f"cores, load {before:.1f} before, {after:.1f} at the end\n"
        f"booked {report['booked']}, alerts {report['alerts']}, by VTP {report['alerts_by_vtp']}"
    )
    lines = [
        head,
        f"{'':<8}{'last byte to catalogue [ms]':^30}{'last byte to VTP [ms]':^30}",
        f"{'part':<8}" + f"{'n':>10}{'p50':>10}{'p99':>10}" * 2,
    ]
    empty = {"n": 0, "p50_ms": float("nan"), "p99_ms": float("nan")}
    for number in range(_N_PARTS + 1):
        columns = [
            report[name][number] if report[name] else empty for name in ("catalogue", "vtp")
        ]
        cells = "".join(f"{e['n']:>10}{e['p50_ms']:>10.0f}{e['p99_ms']:>10.0f}" for e in columns)
        lines.append(f"{number or 'all':<8}{cells}")
    return "\n".join(lines)


if __name__ == "__main__":
    with stop_requests():
        main()
