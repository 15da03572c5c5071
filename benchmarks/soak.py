"""Memory and file descriptors of every process under a steady load, and their slopes.

``python -m benchmarks.soak --minutes 60`` starts a stack of its own, sends it images at a steady
rate, and fits a line to each curve after the warm-up. ``--plot FILE`` draws the curves.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.process_samples import ProcessSampler, Sample, Slope, fit_slope, peak
from livetrap.stack.foreground import stop_requests
from tests.support.harness import end_as_with_ctrl_c, save_report
from tests.support.sky_feed import Feed, FeedPlan
from tests.support.stack_under_load import RunningStack, running_stack, vtp_robot

# Kept images fill their share of memory within a minute: what grows after that is a leak.
_SETTINGS = {"LIVETRAP_EXTRACT__RECENT_IMAGES_MB": "32"}
_FITTED = ("rss_mb", "pss_mb", "n_fds")
_DONE_S = 600.0


def main() -> None:
    """Run, print the table, write JSON and plot."""
    end_as_with_ctrl_c()
    options = _parse()
    per_timestep = FeedPlan().n_streams * FeedPlan().n_bands
    n_timesteps = round(options.minutes * 60 * options.rate / per_timestep)
    plan = FeedPlan(size_px=options.size, n_timesteps=n_timesteps, seed=options.seed)
    load_before = os.getloadavg()[0]
    sampler, counts = _soak(plan, options)
    after_s = options.warm_up * 60
    report = {
        "images": plan.n_images,
        "images_per_s": options.rate,
        "size_px": options.size,
        "minutes": options.minutes,
        "warm_up_minutes": options.warm_up,
        "cores": os.cpu_count(),
        "load": [load_before, os.getloadavg()[0]],
        **counts,
        "processes": {name: _fit(each, after_s) for name, each in sampler.samples.items()},
    }
    samples = {name: [asdict(each) for each in all_] for name, all_ in sampler.samples.items()}
    save_report(report | {"samples": samples}, options.json, text=_render(report))
    if options.plot:
        draw(sampler.samples, options.plot, after_s=after_s)
        print(options.plot)
    sys.exit(0 if counts["booked"] == counts["sent"] else 1)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--warm-up", type=float, default=5.0, help="not fitted [min]")
    parser.add_argument("--rate", type=float, default=8.0, help="images per second")
    parser.add_argument("--size", type=int, default=256, help="side of an image [px]")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, default=Path("build/soak.json"))
    parser.add_argument("--plot", type=Path, help="needs the extra bench (matplotlib)")
    return parser.parse_args()


def _soak(plan: FeedPlan, options: argparse.Namespace) -> tuple[ProcessSampler, dict[str, int]]:
    """Stream the plan through a stack, and sample its processes meanwhile."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="livetrap-soak-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        running = stack.enter_context(running_stack(folder / "data", settings=_SETTINGS))
        robot = stack.enter_context(vtp_robot(running.status["vtp_port"]))
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        progress = stack.enter_context(Progress(*columns, console=Console(stderr=True)))
        task = progress.add_task("soaking", total=plan.n_images)
        sampler = ProcessSampler(running.processes())
        sampler.start()
        try:
            Feed(plan, running.kafka).send(
                0, plan.n_timesteps, images_per_s=options.rate,
                on_sent=lambda n: progress.update(task, completed=n),
            )  # fmt: skip
        finally:
            sampler.stop()
        running.wait_until_done(timeout_s=_DONE_S)
        return sampler, _count(running, len(robot.heard))


def _count(running: RunningStack, n_heard: int) -> dict[str, int]:
    n_alerts = int(running.fetch("select count(*) from alert")[0][0])
    return {
        "sent": running.n_on_kafka("images-v1"),
        "booked": running.n_booked(),
        "alerts": n_alerts,
        "alerts_by_vtp": n_heard,
    }


def _fit(samples: Sequence[Sample], after_s: float) -> dict[str, Any]:
    lines: dict[str, Any] = {
        quantity: asdict(fit_slope(samples, quantity, after_s=after_s)) for quantity in _FITTED
    }
    span_s = samples[-1].time_s - samples[0].time_s
    cpu_s = samples[-1].cpu_s - samples[0].cpu_s
    lines["peak_rss_mb"] = peak(samples, "rss_mb")
    lines["cpu_cores"] = cpu_s / span_s if span_s else float("nan")
    return lines


def _render(report: Mapping[str, Any]) -> str:
    """Return the slopes as a table."""
    before, after = report["load"]
    head = (
        f"{report['images']} images of {report['size_px']} px at {report['images_per_s']:g}/s, "
        f"{report['cores']} cores, load {before:.1f} before, {after:.1f} at the end\n"
        f"sent {report['sent']}, booked {report['booked']}, alerts {report['alerts']}, "
        f"by VTP {report['alerts_by_vtp']}; fitted after {report['warm_up_minutes']:g} min\n"
    )
    columns = (
        f"{'process':<12}{'RSS [MB]':>10}{'peak':>8}{'RSS [MB/h]':>20}{'PSS [MB/h]':>20}"
        f"{'fds':>6}{'[1/h]':>18}{'cores':>7}"
    )
    lines = [head, columns]
    for name, each in report["processes"].items():
        lines.append(
            f"{name:<12}{each['rss_mb']['mean']:>10.1f}{each['peak_rss_mb']:>8.1f}"
            f"{_slope(each['rss_mb']):>20}{_slope(each['pss_mb']):>20}"
            f"{each['n_fds']['mean']:>6.0f}{_slope(each['n_fds']):>18}{each['cpu_cores']:>7.3f}"
        )
    return "\n".join(lines)


def _slope(line: Mapping[str, float]) -> str:
    slope = Slope(**line)
    return f"{slope.per_hour:+.1f} +- {slope.err_per_hour:.1f}"


def draw(samples: Mapping[str, Sequence[Sample]], path: Path, *, after_s: float) -> None:
    """Draw memory and file descriptors of each process over time."""
    import matplotlib as mpl  # noqa: PLC0415  (the extra bench)

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(2, 1, sharex=True, figsize=(8, 6), layout="constrained")
    for name, each in samples.items():
        minutes = [sample.time_s / 60 for sample in each]
        axes[0].plot(minutes, [sample.pss_mb for sample in each], label=name)
        axes[1].plot(minutes, [sample.n_fds for sample in each], label=name)
    axes[0].set_ylabel("proportional set size [MB]")
    axes[1].set_ylabel("file descriptors")
    axes[1].set_xlabel("time [min]")
    for each_axes in axes:
        each_axes.axvline(after_s / 60, color="grey", linewidth=0.8, linestyle=":")
        each_axes.set_ylim(bottom=0)
    axes[0].legend(ncols=4, fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    with stop_requests():
        main()
