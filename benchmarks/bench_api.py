"""The figures of the API over a large catalogue, the server on one core.

Fills a PostgreSQL of its own in a temporary folder: 1e6 sources, 1e7 detections, 1e6 images, 1e5
transients (3 minutes). The client runs in this process and shares the other cores with PostgreSQL.
``--url`` takes a database that was filled before. Wall-clock figures of a busy machine say little;
the CPU time of an answer, and its ratio to the no-op `/healthz`, say more.
"""

import argparse
import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import quote

import asyncpg
import psutil

from benchmarks.api_catalogue import LONG_CURVE_POINTS, Sizes, fill
from benchmarks.bench_associate import postgres
from benchmarks.http_load import Connection, Load, at_rate, one_by_one, saturate
from livetrap.database.migrations import migrate
from livetrap.stack.ports import choose_port

_API = "/api/v1"
_TRANSIENTS = f"{_API}/transients?limit=50"
_BY_ETA = f"{_API}/sources?sort=eta&min_v=0.1&min_n_datapoints=5&limit=50"
_IMAGE_ORDERS = ("id", "time_start", "rms_jy_beam", "n_sources", "exposure_s")
_READY_S = 120.0
_HEADER = (
    f"{'figure':<46}{'wanted':>18}{'measured':>12}{'p50 [ms]':>10}{'p99 [ms]':>10}"
    f"{'CPU [ms]':>10}{'/ no-op':>9}"
)


class Server:
    """The API in a process of its own, on one core.

    Parameters
    ----------
    process : psutil.Process
        Its process.
    port : int
        On loopback.
    """

    def __init__(self, process: psutil.Process, port: int) -> None:
        self.process = process
        self.port = port
        self._no_op_ms = float("nan")

    async def measure_no_op(self, seconds: float) -> None:
        """Measure `/healthz`, to which everything is compared."""
        load = await self.saturate("/healthz", seconds=seconds)
        self._no_op_ms = load.cpu_ms
        self.print("no-op: /healthz", "-", f"{load.per_s:.0f}/s", load)

    async def saturate(self, path: str, *, seconds: float) -> Load:
        """Ask over eight connections without a pause."""
        return await saturate(self.port, self.process, path, n_clients=8, seconds=seconds)

    async def one_by_one(self, path: Callable[[], str], n: int) -> Load:
        """Ask n times, one after the other."""
        return await one_by_one(self.port, self.process, path, n=n)

    def print(self, name: str, wanted: str, measured: str, load: Load) -> None:
        """Print a row of the table."""
        print(
            f"{name:<46}{wanted:>18}{measured:>12}{load.quantile_ms(0.5):10.1f}"
            f"{load.quantile_ms(0.99):10.1f}{load.cpu_ms:10.2f}"
            f"{load.cpu_ms / self._no_op_ms:9.1f}",
            flush=True,
        )


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="of a database that was filled before")
    parser.add_argument("--sources", type=int, default=1_000_000)
    parser.add_argument("--detections", type=int, default=10_000_000)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=10.0, help="of a measured rate")
    options = parser.parse_args()
    sizes = Sizes(options.sources, options.detections, options.images)
    print(f"cores {os.cpu_count()}, load {os.getloadavg()[0]:.2f} before the start")
    if options.url:
        asyncio.run(measure(options.url, options.seconds))
        return
    with postgres() as (url, _):
        asyncio.run(_fill(url, sizes))
        asyncio.run(measure(url, options.seconds))


async def _fill(url: str, sizes: Sizes) -> None:
    await asyncio.to_thread(migrate, url)
    connection = await asyncpg.connect(url)
    await fill(connection, sizes)
    await connection.close()


async def measure(url: str, seconds: float) -> None:
    """Print every figure."""
    connection = await asyncpg.connect(url)
    first, n_sources = await connection.fetchval("select (min(id), count(*)) from source")
    with server(url) as running:
        await _until_ready(running.port)
        print(f"{n_sources} sources, load {os.getloadavg()[0]:.2f}\n{_HEADER}", flush=True)
        await running.measure_no_op(seconds)
        await _measure_lists(running, seconds)
        await _measure_curve(running, first)
        await _measure_images(running)
        await _measure_crowd(running)
        await _measure_tables(running)
        await _measure_streams(running, connection, n_clients=500, n_alerts=100)
        print(f"load {os.getloadavg()[0]:.2f} at the end")
    await connection.close()


@contextmanager
def server(url: str) -> Iterator[Server]:
    """Run the API on one core."""
    port = choose_port(None, taken=set())
    settings = {
        "LIVETRAP_POSTGRES__URL": url,
        "LIVETRAP_API__PORT": str(port),
        "LIVETRAP_API__MAX_ALERT_STREAMS_PER_HOST": "2000",
        "LIVETRAP_API__MAX_ALERT_STREAMS": "2000",
        "LIVETRAP_API__MAX_CONNECTIONS_PER_HOST": "4000",
    }
    process = subprocess.Popen([sys.executable, "-m", "api"], env=os.environ | settings)
    try:
        running = psutil.Process(process.pid)
        running.cpu_affinity([min(os.sched_getaffinity(0))])
        yield Server(running, port)
    finally:
        process.terminate()
        process.wait()


async def _until_ready(port: int) -> None:
    until_s = time.monotonic() + _READY_S
    while True:
        try:
            await Connection(port).get("/readyz")
        except (OSError, RuntimeError, asyncio.IncompleteReadError):
            if time.monotonic() > until_s:
                raise
            await asyncio.sleep(0.1)
        else:
            return


def _somewhere() -> tuple[float, float]:
    return random.uniform(0, 360), random.uniform(-80, 80)


def _cone() -> str:
    ra, dec = _somewhere()
    return f"{_API}/sources?ra={ra:.4f}&dec={dec:.4f}&radius_deg={random.uniform(0.1, 1):.3f}"


def _tap() -> str:
    ra, dec = _somewhere()
    adql = (
        "select * from livetrap.source where 1 = contains(point('ICRS', ra, dec), "  # noqa: S608  (of numbers)
        f"circle('ICRS', {ra:.4f}, {dec:.4f}, 1))"
    )
    return f"/vo/tap/sync?REQUEST=doQuery&LANG=ADQL&QUERY={quote(adql)}"


async def _measure_lists(running: Server, seconds: float) -> None:
    load = await running.saturate(_TRANSIENTS, seconds=seconds)
    running.print("recent transients (50)", ">= 1000/s", f"{load.per_s:.0f}/s", load)
    load = await at_rate(running.port, running.process, _cone, per_s=50, n=500)
    running.print("cone <= 1 deg, 50/s", "p99 <= 100 ms", f"{load.per_s:.0f}/s", load)
    for name, path in (
        ("sources by eta, two filters", _BY_ETA),
        ("sources by id", f"{_API}/sources?limit=50"),
    ):
        load = await running.one_by_one(lambda path=path: path, 100)  # type: ignore[misc]
        running.print(name, "p99 <= 100 ms", "", load)


async def _measure_curve(running: Server, source_id: int) -> None:
    load = await running.one_by_one(lambda: f"{_API}/sources/{source_id}/lightcurve", 50)
    running.print(f"light curve of {LONG_CURVE_POINTS} points", "p99 <= 150 ms", "", load)


async def _measure_images(running: Server) -> None:
    for sort in _IMAGE_ORDERS:
        path = f"{_API}/images?sort={sort}&order=asc&limit=50"
        load = await running.one_by_one(lambda path=path: path, 10)  # type: ignore[misc]
        running.print(f"images by {sort}", "-", "", load)


async def _measure_crowd(running: Server) -> None:
    """Ask for recent transients while eight clients ask for the catalogue."""
    catalogue = asyncio.create_task(running.saturate(_BY_ETA, seconds=12.0))
    load = await at_rate(running.port, running.process, lambda: _TRANSIENTS, per_s=20, n=200)
    await catalogue
    running.print("recent transients beside 8 catalogue lists", "p99 <= 200 ms", "", load)


async def _measure_tables(running: Server) -> None:
    load = await running.one_by_one(_tap, 50)
    running.print("TAP: cone of 1 deg", "<= 300 ms", "", load)
    idle = running.process.memory_info().rss
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, running.process.memory_info().rss)
            await asyncio.sleep(0.02)

    watching = asyncio.create_task(watch())
    path = f"{_API}/sources?format=votable&columns=id,ra,dec,eta,v,snr_max,stream&min_eta=2.302"
    load = await running.one_by_one(lambda: path, 3)
    watching.cancel()
    above = f"+{(most - idle) / 1e6:.0f} MB"
    running.print("VOTable, a tenth of the sources (1e5 rows)", "<= 1 s, 50 MB", above, load)


async def _measure_streams(
    running: Server, connection: asyncpg.Connection, *, n_clients: int, n_alerts: int
) -> None:
    """Count what many clients of the alert stream get, and how late."""
    newest = await connection.fetchval("select max(id) from alert")
    received = [0] * n_clients
    load = Load()
    sent_s: list[float] = []

    async def follow(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        path = f"{_API}/alerts/stream?last_event_id={newest}"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        while received[number] < n_alerts:
            if b"event: alert" in await reader.readline():
                load.times_s.append(time.perf_counter() - sent_s[received[number]])
                received[number] += 1
        writer.close()

    cpu_s = sum(running.process.cpu_times()[:2])
    clients = [asyncio.create_task(follow(number)) for number in range(n_clients)]
    await asyncio.sleep(5)
    started_s = time.perf_counter()
    for number in range(n_alerts):
        await asyncio.sleep(max(0.0, started_s + number / 10 - time.perf_counter()))
        sent_s.append(time.perf_counter())
        await connection.execute(_SEND, newest, number)
    await asyncio.wait(clients, timeout=60)
    load.wall_s = time.perf_counter() - started_s
    load.cpu_s = sum(running.process.cpu_times()[:2]) - cpu_s
    lost = n_clients * n_alerts - sum(received)
    running.print(f"{n_clients} SSE clients, 10 alerts/s", "none lost", f"{lost} lost", load)


_SEND = """
with sent as (
    insert into alert (
        ivorn, trig_id, revision, event_id, alert_type, role, stream, kind, ra, dec, snr,
        flux_peak_jy_beam, time_start, time_alert, voevent, notice, time_published
    )
    select
        ivorn || '.' || $2::int || '.' || $1::bigint || '.' || random(), trig_id, revision,
        event_id || '.' || $2 || '.' || random(), alert_type, role, stream, kind, ra, dec, snr,
        flux_peak_jy_beam, time_start, now(), voevent, notice, now()
    from alert where id = $1
    returning id
)
select pg_notify('livetrap_alert', id::text) from sent
"""


if __name__ == "__main__":
    main()
