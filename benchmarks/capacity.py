"""What a cluster takes: CPU of an image by process, measured, and what follows for instruments.

``python -m benchmarks.capacity`` starts a stack of its own for each of two sizes of image, and
prints the tables of ``docs/capacity.md``; ``--write`` puts them there. CPU time of other
processes is not counted, so a machine that others use will do.
"""

import argparse
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
from aiokafka.partitioner import murmur2

from benchmarks.capacity_model import (
    INSTRUMENTS,
    Cost,
    Instrument,
    Measured,
    Need,
    find_need,
    fit_costs,
)
from livetrap.stack.foreground import stop_requests
from runtime.settings import KafkaSettings
from schemas.topics import image_message_key
from tests.support.harness import end_as_with_ctrl_c
from tests.support.sky_feed import Feed, FeedPlan
from tests.support.stack_processes import StackProcesses
from tests.support.stack_under_load import RunningStack, running_stack

_PAGE = Path(__file__).parents[1] / "docs/capacity.md"
_PROCESSES = ("extract", "associate", "alert", "distribute", "api", "kafka", "postgres")
_N_BANDS = 4
_N_RENDERED = 3  # timesteps, whose pixels come again and again
_N_WARM = 9  # timesteps before those that count
_DONE_S = 420.0
_SETTLE_S = 15.0
_SUBBAND_HZ = 195_312.5
_PARTITIONS = 32


def main() -> None:
    """Measure, print the tables, and write them if asked to."""
    end_as_with_ctrl_c()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs=2, default=(1024, 2300), help="sides [px]")
    parser.add_argument("--timesteps", type=int, default=60, help="of each measurement")
    parser.add_argument("--rate", type=float, default=4.0, help="images per second")
    parser.add_argument("--idle", type=float, default=20.0, help="measured without images [s]")
    parser.add_argument("--write", action="store_true", help=f"replace the tables of {_PAGE.name}")
    options = parser.parse_args()
    load = [os.getloadavg()[0]]
    measured = [_measure(size, options) for size in options.sizes]
    load.append(os.getloadavg()[0])
    text = render(measured, load=load)
    print(text)
    if options.write:
        write_part("measured", text)


def write_part(name: str, text: str) -> None:
    """Replace what stands between the two marks of this name in ``docs/capacity.md``."""
    begin, end = (f"<!-- {name}: {each} -->\n" for each in ("begin", "end"))
    before, _, rest = _PAGE.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    _PAGE.write_text(f"{before}{begin}{text}{end}{after}", encoding="utf-8")


def _measure(size_px: int, options: argparse.Namespace) -> Measured:
    """Stream images of one size through a stack; return what each cost."""
    n_timesteps = _N_WARM + options.timesteps
    plan = FeedPlan(
        n_streams=1, n_bands=_N_BANDS, size_px=size_px, n_timesteps=n_timesteps, period=_N_RENDERED
    )
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="livetrap-capacity-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        running = stack.enter_context(running_stack(folder / "data", settings={}))
        feed = Feed(plan, running.kafka)
        feed.send(0, _N_WARM, images_per_s=options.rate)
        running.wait_until_done(timeout_s=_DONE_S)
        processes = running.processes()
        busy = _watch(processes, lambda: _stream(running, feed, options.rate))
        # Afterwards: what is idle has compiled what it runs by now.
        idle = _watch(processes, lambda: time.sleep(options.idle))
    n_images = plan.n_images - _N_WARM * _N_BANDS
    idle_cores = {name: idle.cores(name) for name in _PROCESSES}
    cost_s = {name: busy.beyond(idle_cores[name], name) / n_images for name in _PROCESSES}
    return Measured(size_px, n_images, cost_s, idle_cores)


def _stream(running: RunningStack, feed: Feed, rate: float) -> None:
    """Send what is left of the plan; return when it is booked, and forced fits have come."""
    feed.send(_N_WARM, feed.plan.n_timesteps, images_per_s=rate)
    # A question costs the servers as much as some images do: it comes last, when one is enough.
    time.sleep(_SETTLE_S)
    running.wait_until_booked(feed.plan.n_images, timeout_s=_DONE_S)


@dataclass(frozen=True, slots=True)
class _Span:
    """CPU of each process over a span of wall clock, both [s]."""

    used_s: Mapping[str, float]
    elapsed_s: float

    def cores(self, name: str) -> float:
        return self.used_s[name] / self.elapsed_s

    def beyond(self, cores: float, name: str) -> float:
        """Return the CPU beyond a steady one [s]."""
        return self.used_s[name] - cores * self.elapsed_s


def _watch(processes: StackProcesses, work: Callable[[], None]) -> _Span:
    before, begin_s = cpu_s(processes), time.monotonic()
    work()
    after, elapsed_s = cpu_s(processes), time.monotonic() - begin_s
    return _Span({name: after[name] - before[name] for name in _PROCESSES}, elapsed_s)


def cpu_s(processes: StackProcesses) -> dict[str, float]:
    """Return the CPU time of each process, its children, and those that have ended [s]."""
    used = dict.fromkeys(_PROCESSES, 0.0)
    for name, process in processes.all().values():
        for each in (process, *process.children(recursive=True)):
            try:
                times = each.cpu_times()
            except psutil.NoSuchProcess:
                continue  # its parent has its time now
            used[name] += times.user + times.system + times.children_user + times.children_system
    return used


def render(measured: Sequence[Measured], *, load: Sequence[float]) -> str:
    """Return the tables of the page."""
    costs = fit_costs(*measured)
    retention_bytes = KafkaSettings().retention_bytes
    needs = {
        each.name: find_need(
            each, costs, keys=_find_partitions(each), retention_bytes=retention_bytes
        )
        for each in INSTRUMENTS
    }
    where = f"{datetime.now(UTC).date()}, {os.cpu_count()} cores ({platform.machine()})"
    lines = [
        f"{where}, load {load[0]:.0f} before and {load[-1]:.0f} after.",
        f"One extractor, one broker, no TLS; {_N_BANDS} bands of a simulated sky.",
        "",
        *_cost_table(measured, costs),
        "",
        *_need_table(needs),
    ]
    return "\n".join(lines) + "\n"


def _find_partitions(instrument: Instrument) -> list[int]:
    """Return where a producer puts each subband of a stream with the instrument's bands."""
    keys = [
        image_message_key("stream", 60e6 + _SUBBAND_HZ * each).encode()
        for each in range(instrument.n_bands)
    ]
    return [(murmur2(key) & 0x7FFFFFFF) % _PARTITIONS for key in keys]


def _cost_table(measured: Sequence[Measured], costs: Mapping[str, Cost]) -> list[str]:
    sizes = " | ".join(f"{each.size_px}² (n = {each.n_images}) [ms]" for each in measured)
    lines = [f"| CPU of an image | {sizes} | a MB [ms] | idle [core] |", "|---|---|---|---|---|"]
    for name, cost in costs.items():
        values = " | ".join(f"{1000 * max(each.cost_s[name], 0.0):.1f}" for each in measured)
        lines.append(f"| {name} | {values} | {1000 * cost.per_mb_s:.2f} | {cost.idle_cores:.3f} |")
    return lines


def _need_table(needs: Mapping[str, Need]) -> list[str]:
    names = list(needs)
    lines = [f"| | {' | '.join(names)} |", "|---" * (1 + len(names)) + "|"]
    rows = {
        "images [MB/s]": [f"{each.mb_per_s:.0f}" for each in needs.values()],
        **{
            f"{name} [core]": [f"{each.cores[name]:.2f}" for each in needs.values()]
            for name in ("extract", "kafka", "postgres", "associate")
        },
        "extractors of one core, 60 % busy": [f"{each.n_extract_pods}" for each in needs.values()],
        "each broker in [Gbit/s]": [f"{each.broker_in_gbit_s:.2f}" for each in needs.values()],
        "each broker out [Gbit/s]": [f"{each.broker_out_gbit_s:.2f}" for each in needs.values()],
        "default retention holds [s]": [f"{each.buffer_s:.0f}" for each in needs.values()],
        "15 min of images, one copy [GB]": [f"{each.buffer_gb:.0f}" for each in needs.values()],
        "`KAFKA__RETENTION_BYTES` for 15 min": [
            f"{each.retention_bytes}" for each in needs.values()
        ],
    }
    lines += [f"| {name} | {' | '.join(values)} |" for name, values in rows.items()]
    return lines


if __name__ == "__main__":
    with stop_requests():
        main()
