"""Throughput and latency of the whole stack on this machine.

Starts a stack of its own in a temporary folder, streams a simulated sky through it and asks the
database and a VTP subscriber how it went. Run it with nothing else running:
``python benchmarks/bench_end_to_end.py --size 1024 --sources 200``.
"""

import argparse
import asyncio
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import numpy as np
from confluent_kafka import Producer
from lxml import etree

LIVETRAP = [sys.executable, "-m", "livetrap"]
STAGES = (
    ("ingest (sent to appended)", "time_sent", "time_appended"),
    ("extract (appended to extracted)", "time_appended", "time_extracted"),
    ("associate (extracted to decided)", "time_extracted", "time_associated"),
)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024, help="side of an image [px]")
    parser.add_argument("--sources", type=int, default=200, help="sources in an image")
    parser.add_argument("--bands", type=int, default=4)
    parser.add_argument("--timesteps", type=int, default=60, help="of each measurement")
    parser.add_argument("--cadence", type=float, default=1.0, help="of the latency run [s]")
    parser.add_argument("--extractors", type=int, default=1)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="livetrap-bench-"))
    try:
        run_all(options, folder)
    finally:
        livetrap("down", "--data-dir", str(folder / "data"))
        shutil.rmtree(folder, ignore_errors=True)


def run_all(options: argparse.Namespace, folder: Path) -> None:
    """Measure start-up, throughput, latency."""
    data_dir = str(folder / "data")
    fast, paced = folder / "fast", folder / "paced"
    simulate(fast, options, seed=1, transients=4)
    simulate(paced, options, seed=2, transients=options.timesteps // 2)
    print(
        f"{options.bands} bands of {options.size} x {options.size} px, {options.sources} sources"
    )
    print(f"cores {os.cpu_count()}, load {os.getloadavg()[0]:.2f} before the start\n")

    started_s = time.monotonic()
    livetrap("up", "--detach", "--data-dir", data_dir, "--extractors", str(options.extractors))
    print(f"start-up to ready               {time.monotonic() - started_s:8.1f} s")
    status = json.loads(livetrap("status", "--json", "--data-dir", data_dir))

    n_images = options.timesteps * options.bands
    warm_up(fast, "fast", data_dir, status, options)
    livetrap("ingest", str(fast), "--stream", "fast", "--data-dir", data_dir)
    wait_until_recorded(status, "fast", n_images + options.bands)
    report_throughput(status["postgres_url"], n_images)

    warm_up(paced, "paced", data_dir, status, options)
    subscriber = Subscriber(status["vtp_port"])
    publish_paced(paced, status["kafka"], options)
    wait_until_recorded(status, "paced", n_images + options.bands)
    time.sleep(3)
    report_latency(status["postgres_url"], subscriber, n_images)
    print(f"\nload {os.getloadavg()[0]:.2f} at the end")


def livetrap(*arguments: str) -> str:
    """Run one command; return what it printed."""
    done = subprocess.run([*LIVETRAP, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"livetrap {' '.join(arguments)}: {done.stderr}")
    return done.stdout


def simulate(folder: Path, options: argparse.Namespace, *, seed: int, transients: int) -> None:
    """Write a night; its first timestep comes twice, the first time to warm everything up."""
    n_variable = options.sources // 10
    livetrap(
        "simulate", str(folder), "--images", str(options.timesteps + 1), "--size",
        str(options.size), "--bands", str(options.bands), "--seed", str(seed), "--steady",
        str(options.sources - n_variable), "--variables", str(n_variable), "--transients",
        str(transients),
    )  # fmt: skip


def warm_up(
    folder: Path, stream: str, data_dir: str, status: dict[str, Any], options: argparse.Namespace
) -> None:
    """Let the first timestep pass: a new stream waits for its bands."""
    first = folder.with_name(f"{stream}-first")
    first.mkdir()
    for path in sorted(folder.glob("*.fits"))[: options.bands]:
        shutil.move(path, first / path.name)
    livetrap("ingest", str(first), "--stream", stream, "--data-dir", data_dir)
    wait_until_recorded(status, stream, options.bands)


def publish_paced(folder: Path, bootstrap_servers: str, options: argparse.Namespace) -> None:
    """Send the bands of a timestep together, one timestep a cadence, as a correlator does."""
    producer = Producer(
        {"bootstrap.servers": bootstrap_servers, "message.max.bytes": 100_000_000, "linger.ms": 0}
    )
    paths = sorted(folder.glob("*.fits"))
    next_s = time.monotonic()
    for first in range(0, len(paths), options.bands):
        time.sleep(max(0.0, next_s - time.monotonic()))
        next_s += options.cadence
        for band, path in enumerate(paths[first : first + options.bands]):
            now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
            producer.produce(
                "images-v1",
                path.read_bytes(),
                key=f"paced:{band}",
                headers=[("stream", b"paced"), ("t-sent", now.encode())],
            )
        producer.poll(0)
    producer.flush(60)


def wait_until_recorded(status: dict[str, Any], stream: str, n_images: int) -> None:
    """Return when the ledger has that many images."""
    while True:
        ledger = httpx.get(f"{status['api_url'].rstrip('/')}/api/v1/ledger").json()
        booked = sum(
            sum(each["outcomes"].values())
            for each in ledger["streams"]
            if each["stream"] == stream
        )
        if booked >= n_images:
            return
        time.sleep(0.2)


def report_throughput(url: str, n_images: int) -> None:
    """Print images per second from the first append to the last commit."""
    (row,) = fetch(
        url,
        "select extract(epoch from max(time_associated) - min(time_appended))::float8 as s, "
        "extract(epoch from max(time_extracted) - min(time_extracted))::float8 as extract_s, "
        "count(*) as n, avg(n_sources)::float8 as n_sources from (select image.* from image "
        "join stream on stream.id = stream_id where name = 'fast' order by image_key desc "
        "limit $1::int) as last",
        n_images,
    )
    print(f"measured sources in an image    {row['n_sources']:8.1f}")
    print(f"throughput, append to commit    {row['n'] / row['s']:8.1f} images/s")
    print(f"throughput of the extractors    {row['n'] / row['extract_s']:8.1f} images/s\n")


def report_latency(url: str, subscriber: "Subscriber", n_images: int) -> None:
    """Print what a subscriber saw, and where the time went; the warm-up does not count."""
    rows = fetch(
        url,
        "select alert.ivorn, alert.time_alert, image.time_appended from alert "
        "join transient on transient.id = alert.transient_id "
        "join image using (image_key) where alert.stream = 'paced'",
    )
    received = [
        subscriber.received[row["ivorn"]] - row["time_appended"].timestamp()
        for row in rows
        if row["ivorn"] in subscriber.received
    ]
    print(f"alerts sent and received        {len(rows):5d} {len(received):5d}")
    show("append to receipt over VTP", received)
    images = fetch(
        url,
        "select time_sent, time_appended, time_extracted, time_associated from image "
        "join stream on stream.id = stream_id where name = 'paced' "
        "order by image_key desc limit $1::int",
        n_images,
    )
    for name, start, stop in STAGES:
        show(name, [seconds(row[start], row[stop]) for row in images])


def show(name: str, values: list[float]) -> None:
    """Print median and 99th percentile."""
    if values:
        median, p99 = np.percentile(values, [50, 99]) * 1000
        print(f"{name:<34} median {median:8.1f} ms   p99 {p99:8.1f} ms   n {len(values)}")


def seconds(start: datetime, stop: datetime) -> float:
    """Return the time between two instants [s]."""
    return (stop - start).total_seconds()


def fetch(url: str, query: str, *parameters: object) -> list[dict[str, Any]]:
    """Return the rows of a query."""

    async def ask() -> list[dict[str, Any]]:
        connection = await asyncpg.connect(url)
        try:
            return [dict(row) for row in await connection.fetch(query, *parameters)]
        finally:
            await connection.close()

    return asyncio.run(ask())


class Subscriber:
    """A VTP subscriber that notes when each VOEvent came."""

    def __init__(self, port: int) -> None:
        self.received: dict[str, float] = {}
        self._socket = socket.create_connection(("127.0.0.1", port))
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while size := self._read(4):
            document = self._read(struct.unpack("!I", size)[0])
            now_s = time.time()
            root = etree.fromstring(document)
            if root.tag.endswith("VOEvent"):
                self.received[root.get("ivorn", "")] = now_s

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self._socket.recv(size - len(data))
            if not part:
                return b""
            data += part
        return data


if __name__ == "__main__":
    main()
