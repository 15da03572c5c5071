"""CPU time of the extract process for an image, from the broker's socket to the record's.

``python -m benchmarks.extraction.from_broker 2300`` starts a broker and an extractor of their own,
sends one image after the other, each when the record of the last one has come, and prints medians.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

import psutil
from confluent_kafka import Consumer

from benchmarks.extraction.sky import generate_field, to_fits
from livetrap.stack.ports import choose_port
from runtime.kafka import OutMessage, create_consumer, create_producer, ensure_topics, send
from runtime.settings import KafkaSettings
from schemas.topics import Topics
from tests.support.own_broker import own_broker

SOURCES_A_PIXEL = 200 / 1024**2
_WARM_UP, _IMAGES = 3, 20
# Before the measurement begins the memory of recent images is full, and the file of those that
# have left it is written a second time: the first time the system has to find memory for it.
_RECENT_BYTES, _IMAGES_ON_DISK = 48_000_000, 3


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used so far, or for an image.

    Parameters
    ----------
    user_ms, system_ms : float
        CPU time [ms].
    n_faults : int
        Pages that the system mapped.
    wall_ms : float
        Since some moment; for an image from its sending to the arrival of its record [ms].
    """

    user_ms: float
    system_ms: float
    n_faults: int
    wall_ms: float


def measure(side_px: int) -> list[Usage]:
    """Return what each image of a side cost, without the first ones."""
    field = generate_field(side_px, round(SOURCES_A_PIXEL * side_px**2), 1, mixed=True)
    data = to_fits(field)
    with own_broker() as broker, tempfile.TemporaryDirectory() as folder:
        kafka = KafkaSettings(bootstrap_servers=broker.bootstrap, partitions=1)
        ensure_topics(kafka)
        reader = create_consumer(kafka, group="benchmark")
        reader.subscribe([Topics().detections])
        producer = create_producer(kafka)
        with _extractor(kafka, Path(folder), disk_bytes=_IMAGES_ON_DISK * len(data)) as process:
            used = []
            n_warm_up = _WARM_UP + _RECENT_BYTES // len(data) + _IMAGES_ON_DISK
            for number in range(n_warm_up + _IMAGES):
                before = usage_of(process)
                # Padding makes each a file of its own.
                image = OutMessage(Topics().images, b"night:150MHz", data + b"%9d" % number)
                send(producer, image, lambda _error: None)
                producer.flush(60)
                _wait_for_record(reader)
                used.append(difference(before, usage_of(process)))
        reader.close()
    return used[n_warm_up:]


@contextmanager
def _extractor(kafka: KafkaSettings, folder: Path, *, disk_bytes: int) -> Iterator[psutil.Process]:
    settings = {
        "LIVETRAP_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "LIVETRAP_KAFKA__PARTITIONS": str(kafka.partitions),
        "LIVETRAP_METRICS__PORT": str(choose_port(None, taken=set())),
        "LIVETRAP_EXTRACT__RECENT_IMAGES_DISK_MB": str(-(-disk_bytes // 10**6)),
        "LIVETRAP_STATE_DIR": str(folder),
    }
    with (folder / "extract.log").open("wb") as log:
        started = subprocess.Popen(
            [sys.executable, "-m", "services.extract"],
            env=os.environ | settings, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield psutil.Process(started.pid)
    finally:
        started.terminate()
        started.wait(60)


def _wait_for_record(reader: Consumer) -> None:
    while True:
        message = reader.poll(60)
        if message is None:
            raise TimeoutError("no record within a minute")
        if message.error() is None:
            return


def usage_of(process: psutil.Process) -> Usage:
    """Return what a process has used so far."""
    # Fields of proc(5), behind the name in parentheses: 10 minflt, 14 utime, 15 stime.
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    tick_ms = 1000 / os.sysconf("SC_CLK_TCK")
    return Usage(
        tick_ms * int(fields[11]), tick_ms * int(fields[12]), int(fields[7]),
        1000 * time.monotonic(),
    )  # fmt: skip


def difference(before: Usage, after: Usage) -> Usage:
    """Return what was used between two looks."""
    return Usage(*(b - a for a, b in zip(astuple(before), astuple(after), strict=True)))


def parse(arguments: list[str]) -> list[int]:
    """Return the sides of the command line [pixel]."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.extraction.from_broker",
        description="CPU time of the extract process for an image that comes from a broker.",
        epilog="For example: python -m benchmarks.extraction.from_broker 1024 2300",
    )
    parser.add_argument(
        "side_px", nargs="*", type=int, default=[1024, 2300, 4096],
        help="sides of the images [pixel]; default: %(default)s",
    )  # fmt: skip
    return list(parser.parse_args(arguments).side_px)


def main() -> None:
    """Print a line for each side."""
    for side_px in parse(sys.argv[1:]):
        used = measure(side_px)
        user, system, faults, wall = (
            [statistics.mean(values), statistics.median(values)]
            for values in zip(*map(astuple, used), strict=True)
        )
        print(
            f"{side_px} px: CPU {user[0] + system[0]:.1f} ms an image (user {user[0]:.1f}, system "
            f"{system[0]:.1f}), {faults[0]:.0f} page faults, record after {wall[1]:.0f} ms"
            f" (load {os.getloadavg()[0]:.1f})"
        )


if __name__ == "__main__":
    main()
