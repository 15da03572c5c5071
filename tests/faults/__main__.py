"""Kill, freeze and starve a running stack, and compare with an undisturbed run.

``python -m tests.faults --seed 7 --minutes 15 --kills 300``; exit code 1 when anything is lost,
twice or different.
"""

import argparse
import pickle
import shutil
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from livetrap.stack.foreground import stop_requests
from schemas.topics import Topics
from tests.faults.disk import small_disk
from tests.faults.inflict import Inflictor
from tests.faults.report import Side, judge, render
from tests.faults.rows import read_tables
from tests.faults.schedule import Fault, make_schedule
from tests.support.harness import end_as_with_ctrl_c, save_report
from tests.support.night import LONG_WAIT
from tests.support.sky_feed import Feed, FeedPlan
from tests.support.stack_under_load import (
    RunningStack,
    ivorn_of_notice,
    ivorn_of_voevent,
    running_stack,
    vtp_robot,
)

_WARM_UP = 3  # timesteps in which each stream shows its bands, before the first fault
_DISK_MB = 4000
_DONE_S = 600.0
# Timesteps of the undisturbed run that are sent at once: their images stay at hand for forced
# photometry, which would miss those of a long backlog.
_BLOCK = 10


def main() -> None:
    """Run both, print the table, write the JSON."""
    end_as_with_ctrl_c()
    options = _parse()
    console = Console(stderr=True)
    n_images = round(options.minutes * 60 * options.rate)
    per_timestep = FeedPlan().n_streams * FeedPlan().n_bands
    plan = FeedPlan(
        size_px=options.size,
        seed=options.seed,
        n_timesteps=_WARM_UP + n_images // per_timestep,
        n_transients=options.transients,
    )
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        undisturbed = _observe_undisturbed(plan, progress, options.reference)
        disturbed, done = _observe(plan, progress, options=options)
    outcome = judge(undisturbed, disturbed, done, seed=options.seed)
    save_report(outcome.to_json(), options.json, text=render(outcome))
    sys.exit(0 if outcome.is_equal else 1)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the sky and of the faults")
    parser.add_argument("--minutes", type=float, default=15.0, help="length of the faults [min]")
    parser.add_argument("--kills", type=int, default=300, help="signals to services")
    parser.add_argument("--rate", type=float, default=8.0, help="images per second")
    parser.add_argument("--size", type=int, default=192, help="side of an image [px]")
    parser.add_argument("--transients", type=int, default=15, help="in each of the four streams")
    parser.add_argument("--extractors", type=int, default=2, help="of the disturbed run")
    parser.add_argument("--freeze", type=float, default=120.0, help="of Kafka [s]")
    parser.add_argument(
        "--disk", action=argparse.BooleanOptionalAction, default=True, help="fill the disk, too"
    )
    parser.add_argument(
        "--reference", type=Path, help="keep the undisturbed run there; a second one reads it"
    )
    parser.add_argument("--keep", type=Path, help="copy the logs of the disturbed run there")
    parser.add_argument("--json", type=Path, default=Path("build/faults.json"))
    return parser.parse_args()


def _observe_undisturbed(plan: FeedPlan, progress: Progress, kept: Path | None) -> Side:
    """Stream the plan through a stack, or read what an earlier run has kept of that."""
    if kept and kept.exists():
        kept_plan, side = pickle.loads(kept.read_bytes())  # noqa: S301  (written below)
        if kept_plan != plan:
            raise SystemExit(f"{kept} is the reference of another run; delete it")
        return side
    side, _ = _observe(plan, progress, options=None)
    if kept:
        kept.write_bytes(pickle.dumps((plan, side)))
    return side


def _observe(
    plan: FeedPlan, progress: Progress, options: argparse.Namespace | None
) -> tuple[Side, list[Fault]]:
    """Stream the plan through a stack; with options, disturb it meanwhile."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="livetrap-faults-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        disk = None
        if options and options.disk:
            disk = stack.enter_context(small_disk(folder, size_mb=_DISK_MB))
        if options and options.disk and disk is None:
            progress.console.print("the disk is not filled: only root may mount a small one")
        running = stack.enter_context(
            running_stack(
                folder / "data", extractors=options.extractors if options else 1,
                settings=LONG_WAIT | _keep_all_pixels(plan),
            )
        )  # fmt: skip
        if options and options.keep:
            stack.callback(_keep_logs, folder / "data" / "logs", options.keep)
        robot = stack.enter_context(vtp_robot(running.status["vtp_port"]))
        feed = Feed(plan, running.kafka)
        feed.send(0, _WARM_UP, images_per_s=None)
        running.wait_until_done(timeout_s=_DONE_S)
        inflictor = None
        if options:
            inflictor = Inflictor(running.processes(), disk, progress.console.print)
            _disturb(feed, plan, progress, options, inflictor)
        else:
            _stream(feed, plan, progress, running)
        task = progress.add_task("until everything is booked", total=None)
        running.wait_until_done(timeout_s=_DONE_S, report=_to_description(progress, task))
        progress.remove_task(task)
        return _read_side(running, robot.heard), inflictor.done if inflictor else []


def _keep_all_pixels(plan: FeedPlan) -> dict[str, str]:
    """Keep every image for looks back: one that was dropped is measured after a restart only."""
    n_bytes = 4 * plan.size_px**2 * plan.n_images
    return {"LIVETRAP_EXTRACT__RECENT_IMAGES_MB": str(n_bytes // 10**6 + 50)}


def _stream(feed: Feed, plan: FeedPlan, progress: Progress, running: RunningStack) -> None:
    """Send the images as fast as they are booked."""
    per_timestep = plan.n_streams * plan.n_bands
    task = progress.add_task("undisturbed", total=plan.n_images, completed=_WARM_UP * per_timestep)
    for first in range(_WARM_UP, plan.n_timesteps, _BLOCK):
        last = min(first + _BLOCK, plan.n_timesteps)
        feed.send(first, last, images_per_s=None)
        running.wait_until_booked(last * per_timestep, timeout_s=_DONE_S)
        progress.update(task, completed=last * per_timestep)


def _disturb(
    feed: Feed,
    plan: FeedPlan,
    progress: Progress,
    options: argparse.Namespace,
    inflictor: Inflictor,
) -> None:
    """Send the images at their rate, and inflict the faults beside."""
    n_images = plan.n_images - _WARM_UP * plan.n_streams * plan.n_bands
    task = progress.add_task("disturbed", total=n_images)
    with ThreadPoolExecutor(1) as pool:
        schedule = make_schedule(
            options.seed, n_signals=options.kills, run_s=n_images / options.rate,
            freeze_s=options.freeze,
        )  # fmt: skip
        disturbance = pool.submit(inflictor.run, schedule, feed.stop)
        disturbance.add_done_callback(lambda done: done.exception() and feed.stop.set())
        try:
            feed.send(
                _WARM_UP, plan.n_timesteps, images_per_s=options.rate,
                on_sent=lambda n: progress.update(task, completed=n),
            )  # fmt: skip
        except BaseException:
            feed.stop.set()
            raise
        disturbance.result()


def _to_description(progress: Progress, task: TaskID) -> Callable[[str], None]:
    return lambda text: progress.update(task, description=text[:120])


def _read_side(stack: RunningStack, heard: list[str]) -> Side:
    topics = Topics()
    return Side(
        n_sent=stack.n_on_kafka(topics.images),
        n_booked=stack.n_booked(),
        n_dead_letters=stack.n_on_kafka(topics.dead_letters),
        tables=read_tables(stack.postgres_url),
        voevents=stack.ivorns(topics.alerts_voevent, ivorn_of_voevent),
        notices=stack.ivorns(topics.alerts_gcn, ivorn_of_notice),
        heard=list(heard),
    )


def _keep_logs(logs: Path, target: Path) -> None:
    shutil.copytree(logs, target, dirs_exist_ok=True)


if __name__ == "__main__":
    with stop_requests():
        main()
