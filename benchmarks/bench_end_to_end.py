"""Throughput and latency of the whole stack on this machine.

Starts a stack of its own in a temporary folder, streams a simulated sky through it and asks the
database and a VTP subscriber how it went. Every round is a stream of its own, with the same
pixels. Run it with nothing else running:
``python -m benchmarks.bench_end_to_end --size 1024 --sources 200``; ``python -m benchmarks.bench``
runs it beside the others.
"""

import argparse
import asyncio
import json
import math
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import numpy as np
from confluent_kafka import Producer

from benchmarks.figures import Figure, to_table
from benchmarks.vtp_crowd import build_answer, find_ivorn
from livetrap.stack.foreground import stop_requests

LIVETRAP = [sys.executable, "-m", "livetrap"]
STAGES = (
    ("ingest (sent to appended)", "time_sent", "time_appended"),
    ("extract (appended to extracted)", "time_appended", "time_extracted"),
    ("associate (extracted to decided)", "time_extracted", "time_associated"),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is sent: `n_bands` images of `size_px` a timestep, in each of `n_rounds`.

    `cadence_s` is the time between timesteps while the latency is measured.
    """

    size_px: int = 1024
    n_sources: int = 200
    n_bands: int = 4
    n_timesteps: int = 60
    cadence_s: float = 1.0
    n_extractors: int = 1
    n_rounds: int = 3

    @property
    def n_images(self) -> int:
        """Return how many images a measurement has."""
        return self.n_timesteps * self.n_bands


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024, help="side of an image [px]")
    parser.add_argument("--sources", type=int, default=200, help="sources in an image")
    parser.add_argument("--bands", type=int, default=4)
    parser.add_argument("--timesteps", type=int, default=60, help="of each measurement")
    parser.add_argument("--cadence", type=float, default=1.0, help="of the latency run [s]")
    parser.add_argument("--extractors", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    each = parser.parse_args()
    plan = Plan(
        each.size, each.sources, each.bands, each.timesteps, each.cadence, each.extractors,
        each.rounds,
    )  # fmt: skip
    before = os.getloadavg()[0]
    print(to_table(measure(plan), load=(before, os.getloadavg()[0])))


def measure(plan: Plan) -> list[Figure]:
    """Run a stack; return start-up, throughput and latency, each with its rounds."""
    folder = Path(tempfile.mkdtemp(prefix="livetrap-bench-"))
    try:
        return _measure(plan, folder)
    finally:
        livetrap("down", "--data-dir", str(folder / "data"))
        shutil.rmtree(folder, ignore_errors=True)


def _measure(plan: Plan, folder: Path) -> list[Figure]:
    fast, paced = folder / "fast", folder / "paced"
    simulate(fast, plan, seed=1, transients=4)
    simulate(paced, plan, seed=2, transients=max(1, plan.n_timesteps // 2))
    started_s = time.monotonic()
    data_dir = str(folder / "data")
    livetrap("up", "--detach", "--data-dir", data_dir, "--extractors", str(plan.n_extractors))
    start_up_s = time.monotonic() - started_s
    status = json.loads(livetrap("status", "--json", "--data-dir", data_dir))
    subscriber = Subscriber(status["vtp_port"])
    first = {path: first_timestep(path, plan) for path in (fast, paced)}
    rounds: list[dict[str, float]] = []
    for number in range(plan.n_rounds):
        rounds.append({})
        for path in (fast, paced):
            stream = f"{path.name}-{number}"
            ingest(first[path], stream, data_dir)
            wait_until_recorded(status, stream, plan.n_bands)
            if path is fast:
                ingest(fast, stream, data_dir)
            else:
                publish_paced(paced, stream, status["kafka"], plan)
            wait_until_recorded(status, stream, plan.n_images + plan.n_bands)
        url = status["postgres_url"]
        rounds[-1] |= throughput(url, f"fast-{number}", plan.n_images)
        rounds[-1] |= latency(url, f"paced-{number}", subscriber, plan.n_images)
    start_up = Figure("start-up to ready", "s", (start_up_s,))
    return [start_up, *(to_figure(name, rounds) for name in rounds[0])]


def to_figure(name: str, rounds: list[dict[str, float]]) -> Figure:
    """Return a figure that every round has measured; its unit is the end of its name."""
    title, unit = name.rsplit(" ", 1)
    is_rate = unit == "images/s"
    return Figure(title, unit, tuple(each[name] for each in rounds), is_higher_better=is_rate)


def first_timestep(folder: Path, plan: Plan) -> Path:
    """Move the first timestep into a folder of its own: it warms up, and a new stream waits."""
    first = folder.with_name(f"{folder.name}-first")
    first.mkdir()
    for path in sorted(folder.glob("*.fits"))[: plan.n_bands]:
        shutil.move(path, first / path.name)
    return first


def ingest(folder: Path, stream: str, data_dir: str) -> None:
    """Send a folder at once; the card makes the images those of this stream alone."""
    livetrap(
        "ingest", str(folder), "--stream", stream, "--data-dir", data_dir, "--set",
        f"OBJECT={stream}",
    )  # fmt: skip


def livetrap(*arguments: str) -> str:
    """Run one command; return what it printed."""
    done = subprocess.run([*LIVETRAP, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"livetrap {' '.join(arguments)}: {done.stderr}")
    return done.stdout


def simulate(folder: Path, plan: Plan, *, seed: int, transients: int) -> None:
    """Write a night, with one timestep more to warm everything up."""
    n_variable = plan.n_sources // 10
    livetrap(
        "simulate", str(folder), "--images", str(plan.n_timesteps + 1), "--size",
        str(plan.size_px), "--bands", str(plan.n_bands), "--seed", str(seed), "--steady",
        str(plan.n_sources - n_variable), "--variables", str(n_variable), "--transients",
        str(transients),
    )  # fmt: skip


def publish_paced(folder: Path, stream: str, bootstrap_servers: str, plan: Plan) -> None:
    """Send the bands of a timestep together, one timestep a cadence, as a correlator does."""
    producer = Producer(
        {"bootstrap.servers": bootstrap_servers, "message.max.bytes": 100_000_000, "linger.ms": 0}
    )
    paths = sorted(folder.glob("*.fits"))
    next_s = time.monotonic()
    for first in range(0, len(paths), plan.n_bands):
        time.sleep(max(0.0, next_s - time.monotonic()))
        next_s += plan.cadence_s
        for band, path in enumerate(paths[first : first + plan.n_bands]):
            now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
            headers = {"stream": stream, "t-sent": now, "fits:OBJECT": stream}
            producer.produce(
                "images-v1",
                path.read_bytes(),
                key=f"{stream}:{band}",
                headers=[(name, value.encode()) for name, value in headers.items()],
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


def throughput(url: str, stream: str, n_images: int) -> dict[str, float]:
    """Return images per second from the first append to the last commit."""
    (row,) = fetch(
        url,
        "select extract(epoch from max(time_associated) - min(time_appended))::float8 as s, "
        "extract(epoch from max(time_extracted) - min(time_extracted))::float8 as extract_s, "
        "count(*) as n, avg(n_sources)::float8 as n_sources from (select image.* from image "
        "join stream on stream.id = stream_id where name = $1::text order by image_key desc "
        "limit $2::int) as last",
        stream,
        n_images,
    )
    return {
        "measured sources in an image -": row["n_sources"],
        "throughput, append to commit images/s": row["n"] / row["s"],
        "throughput of the extractors images/s": row["n"] / row["extract_s"],
    }


def latency(url: str, stream: str, subscriber: "Subscriber", n_images: int) -> dict[str, float]:
    """Return what a subscriber saw, and where the time went; the warm-up does not count."""
    alerts = fetch(
        url,
        "select alert.ivorn, image.time_appended from alert "
        "join transient on transient.id = alert.transient_id "
        "join image using (image_key) where alert.stream = $1::text",
        stream,
    )
    came = subscriber.wait_for({row["ivorn"] for row in alerts})
    received = [
        came[row["ivorn"]] - row["time_appended"].timestamp()
        for row in alerts
        if row["ivorn"] in came
    ]
    images = fetch(
        url,
        "select time_sent, time_appended, time_extracted, time_associated from image "
        "join stream on stream.id = stream_id where name = $1::text "
        "order by image_key desc limit $2::int",
        stream,
        n_images,
    )
    values = {"append to receipt over VTP": received}
    for name, start, stop in STAGES:
        values[name] = [seconds(row[start], row[stop]) for row in images]
    return {
        f"{name}, p{percent} ms": float(np.percentile(each, percent)) * 1000 if each else math.nan
        for name, each in values.items()
        for percent in (50, 99)
    }


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
    """A VTP subscriber that notes when each VOEvent came, and answers as long as it listens."""

    def __init__(self, port: int) -> None:
        self.received: dict[str, float] = {}
        self._socket = socket.create_connection(("127.0.0.1", port))
        threading.Thread(target=self._listen, daemon=True).start()

    def wait_for(self, ivorns: set[str], *, timeout_s: float = 60.0) -> dict[str, float]:
        """Return when each alert came [s], once all have, or after the timeout."""
        deadline_s = time.monotonic() + timeout_s
        while not ivorns <= self.received.keys() and time.monotonic() < deadline_s:
            time.sleep(0.1)
        return dict(self.received)

    def _listen(self) -> None:
        while size := self._read(4):
            document = self._read(struct.unpack("!I", size)[0])
            now_s = time.time()
            if (ivorn := find_ivorn(document)) is not None:
                self.received[ivorn] = now_s
            self._socket.sendall(build_answer(document, "ivo://bench/subscriber"))

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self._socket.recv(size - len(data))
            if not part:
                return b""
            data += part
        return data


if __name__ == "__main__":
    with stop_requests():
        main()
