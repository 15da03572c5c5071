"""How many events a second each stage takes when one visit of a telescope brings thousands.

``python -m benchmarks.capacity_visit`` starts a stack of its own with the storm rules off, puts
the record of one image with 10 000 sources that nobody has seen before on ``detections-v1``, and
follows them: the associator's transaction, its outbox on ``transients-v1``, the alerts on
``alerts-voevent-v1``, a subscriber of VTP. ``--write`` puts the table into ``docs/capacity.md``.
"""

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from confluent_kafka import Producer

from benchmarks.capacity import cpu_s, write_part
from livetrap.stack.foreground import stop_requests
from schemas.codec import encode_image_detections
from schemas.messages import ImageDetections, SourceColumns, SourceOffset
from schemas.topics import Topics
from tests.support.harness import end_as_with_ctrl_c
from tests.support.records import image, sources
from tests.support.stack_under_load import RunningStack, running_stack, vtp_robot

_SETTINGS = {
    "LIVETRAP_ALERT__MAX_PER_IMAGE": "1000000",
    "LIVETRAP_ALERT__MAX_PER_MINUTE": "1000000",
    # No pixels are here to look back at, or to cut stamps from.
    "LIVETRAP_ASSOCIATE__LOOKBACK_IMAGES": "0",
    "LIVETRAP_ASSOCIATE__STAMPS": "false",
    "LIVETRAP_ASSOCIATE__FIRST_TIMESTEP_WAIT_S": "0.1",
}
_WARM_EVENTS = 300
_SPACING_DEG = 0.1
_BEAM_DEG, _CELL_DEG, _WIDTH_PX = 0.02, 0.00667, 1800
_LONGEST_S = 900.0
_POLL_S = 0.05

Measured = SourceColumns | list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Stage:
    """When a stage had its first and its last event, after the record was sent [s]."""

    name: str
    first_s: float
    last_s: float


def main() -> None:
    """Measure, print the table, and write it if asked to."""
    end_as_with_ctrl_c()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.capacity_visit", description=__doc__
    )
    parser.add_argument("--events", type=int, default=10_000, help="of the visit")
    parser.add_argument("--write", action="store_true", help="replace the table of capacity.md")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="livetrap-visit-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        running = stack.enter_context(running_stack(folder / "data", settings=_SETTINGS))
        robot = stack.enter_context(vtp_robot(int(running.status["vtp_port"])))
        follow(running, lambda: len(robot.heard), "warm", _WARM_EVENTS, n_before=0)
        before = cpu_s(running.processes())
        stages = follow(
            running, lambda: len(robot.heard), "visit", options.events, n_before=_WARM_EVENTS
        )
        after = cpu_s(running.processes())
    used_s = {name: after[name] - before[name] for name in after}
    text = render(stages, options.events, used_s, load=load)
    print(text)
    if options.write:
        write_part("visit", text)


def follow(
    running: RunningStack,
    count_heard: Callable[[], int],
    stream: str,
    n_events: int,
    *,
    n_before: int,
) -> list[Stage]:
    """Send a visit's record; return what each stage did.

    Raises
    ------
    TimeoutError
        If an event is missing at a stage after a quarter of an hour.
    """
    topics = Topics()
    counts: dict[str, Callable[[], int]] = {
        "associate: stored": lambda: int(running.fetch("select count(*) from source_event")[0][0]),
        "outbox: on `transients-v1`": lambda: running.n_on_kafka(topics.transients),
        "alert: on `alerts-voevent-v1`": lambda: running.n_on_kafka(topics.alerts_voevent),
        "distribute: at a VTP subscriber": count_heard,
    }
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    producer = Producer(
        {"bootstrap.servers": running.kafka, "message.max.bytes": 100_000_000,
         "partitioner": "murmur2_random"}
    )  # fmt: skip
    empty, full = make_records(stream, n_events)
    _send(producer, topics.detections, empty)
    running.wait_until_booked(1 if n_before == 0 else 3, timeout_s=_LONGEST_S)
    begin_s = time.monotonic()
    _send(producer, topics.detections, full)
    while len(last) < len(counts):
        for name, count in counts.items():
            if name in last:
                continue
            n_now = count() - n_before
            now_s = time.monotonic() - begin_s
            if n_now > 0:
                first.setdefault(name, now_s)
            if n_now >= n_events:
                last[name] = now_s
        if time.monotonic() - begin_s > _LONGEST_S:
            raise TimeoutError(f"after {_LONGEST_S:.0f} s: {sorted(counts.keys() - last.keys())}")
        time.sleep(_POLL_S)
    return [Stage(name, first[name], last[name]) for name in counts]


def _send(producer: Producer, topic: str, record: ImageDetections) -> None:
    producer.produce(topic, key=record.stream.encode(), value=encode_image_detections(record))
    producer.flush(60)


def make_records(stream: str, n_events: int) -> tuple[ImageDetections, ImageDetections]:
    """Return an image that shows nothing, and one a minute later with so many new sources."""
    side = int(np.ceil(np.sqrt(n_events)))
    places = (np.arange(side) - side / 2) * _SPACING_DEG
    dec, ra = (each.ravel()[:n_events] for each in np.meshgrid(places, places, indexing="ij"))
    positions = list(zip(100.0 + ra, dec, strict=True))
    seen = sources(positions, flux_jy=0.05, pos_err_arcsec=5.0)
    return (
        _record(stream, "before", [], minutes_ago=2),
        _record(stream, "visit", seen, minutes_ago=1),
    )


def _record(
    stream: str,
    name: str,
    measured: SourceColumns | list[tuple[float, float]],
    *,
    minutes_ago: int,
) -> ImageDetections:
    record = image(
        0.0, measured, stream=stream, centre=(100.0, 0.0), beam_major_deg=_BEAM_DEG,
        cell_deg=_CELL_DEG, width_px=_WIDTH_PX, salt=name,
    )  # fmt: skip
    assert record.metadata is not None  # noqa: S101  (for mypy)
    now = datetime.now(UTC)
    start = now - timedelta(minutes=minutes_ago)
    return replace(
        record,
        source=SourceOffset("bench", f"{stream}-{name}", 0, 0),  # a place of its own
        metadata=replace(record.metadata, time_start=start, exposure_s=10.0),
        times=replace(record.times, time_appended=now, time_extracted=now),
    )


def render(stages: list[Stage], n_events: int, used_s: Mapping[str, float], *, load: float) -> str:
    """Return the text and the tables of the page."""
    lines = [
        f"{datetime.now(UTC).date()}, {os.cpu_count()} cores, load {load:.0f} before.",
        f"One image with {n_events} new sources, each an event and an alert.",
        "",
        "| stage | first [s] | last [s] | while it had work [events/s] |",
        "|---|---|---|---|",
    ]
    begin_s = 0.0
    for each in stages:
        rate = n_events / (each.last_s - begin_s)
        lines.append(f"| {each.name} | {each.first_s:.1f} | {each.last_s:.1f} | {rate:.0f} |")
        begin_s = each.first_s
    lines += ["", "| process | CPU of an event [ms] |", "|---|---|"]
    lines += [
        f"| {name} | {1000 * each / n_events:.2f} |"
        for name, each in sorted(used_s.items(), key=lambda item: -item[1])
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    with stop_requests():
        main()
