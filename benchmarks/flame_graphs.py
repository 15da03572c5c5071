"""Where extract and associate spend their time: flame graphs of a stack under a steady load.

``python -m benchmarks.flame_graphs --folder docs/images`` starts a stack of its own, samples the
Python threads of both with py-spy, and draws `flame-extract.svg` and `flame-associate.svg`.
Widths are CPU time an image, by what the system counts for each thread; native threads, those of
Kafka's client, are a box each. What is compiled by numba has no names: it is the time of the
function that calls it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.flame_svg import Node, draw
from livetrap.stack.foreground import stop_requests
from tests.support.harness import end_as_with_ctrl_c
from tests.support.sky_feed import Feed, FeedPlan
from tests.support.stack_under_load import RunningStack, running_stack

__all__ = ["fold"]

_SERVICES = ("extract", "associate")
_SAMPLES_A_S = 100
_WARM_UP = 8
_DONE_S = 600.0
# The innermost frames of a thread that waits.
_WAITING = frozenset(
    {
        "accept4", "clock_nanosleep", "epoll_wait", "poll", "pthread_cond_timedwait",
        "pthread_cond_wait", "recv", "select",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Clock:
    """CPU time of the threads of a process [ms], by name."""

    ms: dict[str, float]

    @classmethod
    def read(cls, pid: int) -> "_Clock":
        """Read what the system has counted so far; threads of one name are one."""
        ms: dict[str, float] = {}
        for task in Path(f"/proc/{pid}/task").iterdir():
            try:
                name = (task / "comm").read_text().strip()
                run_ns = int((task / "schedstat").read_text().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended
            name = "main" if task.name == str(pid) else name.rstrip("0123456789-")
            ms[name] = ms.get(name, 0.0) + run_ns / 1e6
        return cls(ms)

    def since(self, before: "_Clock") -> dict[str, float]:
        """Return what was added since another reading."""
        return {name: ms - before.ms.get(name, 0.0) for name, ms in self.ms.items()}


def fold(lines: Iterable[str], root: str) -> Node:
    """Return the tree of the samples of a main thread, from below the function `root` on.

    Parameters
    ----------
    lines : iterable of str
        As ``py-spy record --format raw --threads`` writes them: frames and a count.
    root : str
        Name of a function; samples without it are left out, and so are those that wait.
    """
    tree = Node("all")
    for line in lines:
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        names = [name for frame in frames if (name := _name_of(frame))]
        if "MainThread" not in stack or root not in names or names[-1] in _WAITING:
            continue
        tree.add(names[names.index(root) + 1 :], float(count))
    return tree


def _name_of(frame: str) -> str:
    """Return the function of a frame; none of an address without a name."""
    name = frame.partition(" (")[0].removesuffix(".localalias")
    return "" if name.startswith(("0x", "<")) else name


def measure(running: RunningStack, options: argparse.Namespace, folder: Path) -> None:
    """Send images at a steady rate, sample both services, and draw."""
    plan = FeedPlan(n_streams=1, n_bands=4, size_px=options.size, n_timesteps=1 << 30, period=12)
    feed = Feed(plan, running.kafka)
    feed.send(0, _WARM_UP, images_per_s=None)
    running.wait_until_booked(_WARM_UP * plan.n_bands, timeout_s=_DONE_S)
    processes = {name: running.processes().of(name)[0] for name in _SERVICES}
    before = {name: _Clock.read(each.pid) for name, each in processes.items()}
    samplers = [
        _start_sampler(each.pid, folder / f"{name}.raw", seconds=options.seconds)
        for name, each in processes.items()
    ]
    last = _WARM_UP + round(options.seconds * options.rate / plan.n_bands)
    feed.send(_WARM_UP, last, images_per_s=options.rate)
    running.wait_until_booked(last * plan.n_bands, timeout_s=_DONE_S)
    used = {name: _Clock.read(each.pid).since(before[name]) for name, each in processes.items()}
    for each in samplers:
        if each.wait(60):
            raise SystemExit(f"py-spy ended with {each.returncode}: may it read other processes?")
    n_images = (last - _WARM_UP) * plan.n_bands
    for name in _SERVICES:
        lines = (folder / f"{name}.raw").read_text().splitlines()
        tree = _to_ms(fold(lines, "run_service"), used[name], n_images)
        title = (
            f"{name}: {tree.total:.1f} ms of CPU an image of {options.size} px, "
            f"{options.rate:g}/s, load {os.getloadavg()[0]:.1f}"
        )
        draw(tree, title, options.folder / f"flame-{name}.svg")
        print(title)


def _start_sampler(pid: int, path: Path, *, seconds: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            str(Path(sys.executable).with_name("py-spy")), "record", "--pid", str(pid),
            "--duration", str(round(seconds)), "--rate", str(_SAMPLES_A_S), "--format", "raw",
            "--native", "--threads", "--output", str(path),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _to_ms(tree: Node, used_ms: dict[str, float], n_images: int) -> Node:
    """Return a tree in milliseconds an image, with a box for each native thread."""
    main = tree.scaled(used_ms["main"] / n_images / max(tree.total, 1.0))
    main.name = "main thread"
    whole = Node("all")
    whole.attach(main)
    for name, ms in sorted(used_ms.items()):
        if name != "main" and ms > 0:
            whole.attach(Node(f"thread {name}", ms / n_images))
    return whole


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flame_graphs")
    parser.add_argument("--rate", type=float, default=8.0, help="images a second")
    parser.add_argument("--seconds", type=float, default=60.0, help="of sampling [s]")
    parser.add_argument("--size", type=int, default=1024, help="side of an image [px]")
    parser.add_argument("--folder", type=Path, default=Path("build"))
    return parser.parse_args()


def main() -> None:
    """Run and draw."""
    end_as_with_ctrl_c()
    options = _parse()
    options.folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="livetrap-flame-") as folder,
        running_stack(Path(folder) / "data", settings={}) as running,
    ):
        measure(running, options, Path(folder))


if __name__ == "__main__":
    with stop_requests():
        main()
