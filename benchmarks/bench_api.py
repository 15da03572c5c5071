"""The figures of the API over a large catalogue, the server on one core.

Fills a PostgreSQL of its own in a temporary folder: 1e6 sources, 1e7 detections, 1e6 images, 1e5
transients, and their copy of the statistics (5 minutes). The client runs in this process and
shares the other cores with PostgreSQL. ``--url`` takes a database that was filled before, and
``--only "light curve"`` measures the figures of that name alone.
Wall-clock figures of a busy machine say little; the CPU
time of an answer, and its ratio to the no-op `/healthz`, say more. A figure that takes more than
its minute is given up and said so; the exit code is 1 if one was.
"""

import argparse
import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from urllib.parse import quote

import asyncpg
import psutil

from benchmarks.api_catalogue import LONG_CURVE_POINTS, STAMP_ID, Sizes, fill
from benchmarks.bench_associate import postgres
from benchmarks.http_load import (
    Connection,
    Load,
    at_rate,
    cpu_of,
    follow_alerts,
    one_by_one,
    saturate,
    slow_clients,
)
from livetrap.database.migrations import migrate
from livetrap.stack.foreground import stop_requests
from livetrap.stack.ports import choose_port

_API = "/api/v1"
_TRANSIENTS = f"{_API}/transients?limit=50"
_BY_ETA = f"{_API}/sources?sort=eta&min_v=0.1&min_n_datapoints=5&limit=50"
_TABLE = f"{_API}/sources?format=votable&columns=id,ra,dec,eta,v,snr_max,stream&min_eta=2.302"
_IMAGE_ORDERS = ("id", "time_start", "rms_jy_beam", "n_sources", "exposure_s")
_READY_S = 120.0
_FIGURE_S = 60.0
_HEADER = (
    f"{'figure':<44}{'wanted':>16}{'held':>6}{'measured':>12}{'p50 [ms]':>10}{'p99 [ms]':>10}"
    f"{'CPU [ms]':>10}{'/ no-op':>9}{'load':>7}"
)


class Server:
    """The API in a process of its own, on one core.

    Parameters
    ----------
    process : psutil.Process
        Its process.
    port : int
        On loopback.
    only : str
        Figures whose name has this in it are measured.
    """

    def __init__(self, process: psutil.Process, port: int, only: str) -> None:
        self.process = process
        self.port = port
        self._only = only
        self.n_given_up = 0
        self._no_op_ms = float("nan")

    async def measure_no_op(self, seconds: float) -> None:
        """Measure `/healthz`, to which everything is compared."""
        load = await self.saturate("/healthz", seconds=seconds)
        self._no_op_ms = load.cpu_ms
        self.print("no-op: /healthz", "-", load, measured=f"{load.per_s:.0f}/s")

    async def saturate(self, path: str, *, seconds: float) -> Load:
        """Ask over eight connections without a pause."""
        return await saturate(self.port, self.process, path, n_clients=8, seconds=seconds)

    async def one_by_one(self, path: Callable[[], str], n: int) -> Load:
        """Ask n times, one after the other."""
        return await one_by_one(self.port, self.process, path, n=n)

    async def figure(self, name: str, measure: Callable[[], Awaitable[None]]) -> None:
        """Measure and print a figure if it is wanted; say so if it does not end in its time."""
        if self._only.lower() not in name.lower():
            return
        try:
            async with asyncio.timeout(_FIGURE_S):
                await measure()
        except* (OSError, RuntimeError, asyncio.IncompleteReadError) as failed:
            self.n_given_up += 1
            first = _first_of(failed)
            print(f"{name:<44}given up: {type(first).__name__}: {first}", flush=True)

    async def repeat(
        self, name: str, path: Callable[[], str], n: int, *, most_ms: float | None = None
    ) -> None:
        """Measure a figure of n answers, one after the other, of which 99 % are to be quick."""

        async def measure() -> None:
            load = await self.one_by_one(path, n)
            wanted = "-" if most_ms is None else f"p99 <= {most_ms:.0f} ms"
            is_held = None if most_ms is None else load.quantile_ms(0.99) <= most_ms
            self.print(name, wanted, load, is_held=is_held)

        await self.figure(name, measure)

    def print(
        self,
        name: str,
        wanted: str,
        load: Load,
        *,
        measured: str = "",
        is_held: bool | None = None,
    ) -> None:
        """Print a row of the table."""
        held = {None: "", True: "yes", False: "NO"}[is_held]
        print(
            f"{name:<44}{wanted:>16}{held:>6}{measured:>12}{load.quantile_ms(0.5):10.1f}"
            f"{load.quantile_ms(0.99):10.1f}{load.cpu_ms:10.2f}"
            f"{load.cpu_ms / self._no_op_ms:9.1f}{os.getloadavg()[0]:7.1f}",
            flush=True,
        )


def _first_of(error: BaseException) -> BaseException:
    """Return the first error of a group of groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="of a database that was filled before")
    parser.add_argument("--sources", type=int, default=1_000_000)
    parser.add_argument("--detections", type=int, default=10_000_000)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=10.0, help="of a measured rate")
    parser.add_argument("--only", default="", help="figures whose name has this in it")
    options = parser.parse_args()
    sizes = Sizes(options.sources, options.detections, options.images)
    print(f"cores {os.cpu_count()}, load {os.getloadavg()[0]:.2f} before the start")
    if options.url:
        n_given_up = asyncio.run(measure(options.url, options.seconds, options.only))
    else:
        with postgres() as (url, _):
            asyncio.run(_fill(url, sizes))
            n_given_up = asyncio.run(measure(url, options.seconds, options.only))
    sys.exit(bool(n_given_up))


async def _fill(url: str, sizes: Sizes) -> None:
    await asyncio.to_thread(migrate, url)
    connection = await asyncpg.connect(url)
    await fill(connection, sizes)
    await connection.close()


async def measure(url: str, seconds: float, only: str) -> int:
    """Print every figure; return how many were given up."""
    connection = await asyncpg.connect(url)
    first, n_sources = await connection.fetchval("select (min(id), count(*)) from source")
    with server(url, only) as running:
        await _until_ready(running.port)
        print(f"{n_sources} sources, load {os.getloadavg()[0]:.2f}\n{_HEADER}", flush=True)
        await running.measure_no_op(seconds)
        await _measure_lists(running, seconds)
        curve = f"{_API}/sources/{first}/lightcurve"
        name = f"light curve of {LONG_CURVE_POINTS} points"
        await running.repeat(f"{name}, JSON", lambda: curve, 50, most_ms=150)
        await running.repeat(f"{name}, CSV", lambda: f"{curve}?format=csv", 50, most_ms=150)
        await running.repeat(
            "stamp of 65 px as PNG", lambda: f"{_API}/stamps/{STAMP_ID}", 200, most_ms=80
        )
        await _measure_images(running)
        await _measure_crowd(running)
        await _measure_tables(running)
        await _measure_slow_clients(running)
        await _measure_streams(running, connection, n_clients=500, n_alerts=100)
        print(f"load {os.getloadavg()[0]:.2f} at the end")
    await connection.close()
    return running.n_given_up


@contextmanager
def server(url: str, only: str) -> Iterator[Server]:
    """Run the API on one core."""
    port = choose_port(None, taken=set())
    settings = {
        "LIVETRAP_POSTGRES__URL": url,
        "LIVETRAP_API__PORT": str(port),
        "LIVETRAP_API__MAX_ALERT_STREAMS_PER_HOST": "2000",
        "LIVETRAP_API__MAX_ALERT_STREAMS": "2000",
        "LIVETRAP_API__MAX_CONNECTIONS_PER_HOST": "4000",
        "LIVETRAP_API__REQUESTS_PER_SECOND": "1e9",
        "LIVETRAP_LOGGING__LEVEL": "WARNING",
    }
    process = subprocess.Popen([sys.executable, "-m", "api"], env=os.environ | settings)
    try:
        running = psutil.Process(process.pid)
        running.cpu_affinity([min(os.sched_getaffinity(0))])
        yield Server(running, port, only)
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
    async def recent() -> None:
        load = await running.saturate(_TRANSIENTS, seconds=seconds)
        rate = f"{load.per_s:.0f}/s"
        running.print(
            "recent transients (50)", ">= 1000/s", load, measured=rate, is_held=load.per_s >= 1000
        )

    async def cones() -> None:
        load = await at_rate(running.port, running.process, _cone, per_s=50, n=500)
        is_held = load.quantile_ms(0.99) <= 100
        rate = f"{load.per_s:.0f}/s"
        running.print("cone <= 1 deg, 50/s", "p99 <= 100 ms", load, measured=rate, is_held=is_held)

    await running.figure("recent transients (50)", recent)
    await running.figure("cone <= 1 deg, 50/s", cones)
    await running.repeat("sources by eta, two filters", lambda: _BY_ETA, 100, most_ms=100)
    await running.repeat("sources by id", lambda: f"{_API}/sources?limit=50", 100, most_ms=100)


async def _measure_images(running: Server) -> None:
    for sort in _IMAGE_ORDERS:
        path = f"{_API}/images?sort={sort}&order=asc&limit=50"
        await running.repeat(f"images by {sort}", lambda path=path: path, 10)  # type: ignore[misc]


async def _measure_crowd(running: Server) -> None:
    """Ask for recent transients while eight clients ask for the catalogue."""

    async def crowd() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(running.saturate(_BY_ETA, seconds=12.0))
            load = await at_rate(
                running.port, running.process, lambda: _TRANSIENTS, per_s=20, n=200
            )
        is_held = load.quantile_ms(0.99) <= 200
        running.print(name, "p99 <= 200 ms", load, is_held=is_held)

    name = "recent transients beside 8 catalogue lists"
    await running.figure(name, crowd)


async def _measure_tables(running: Server) -> None:
    await running.repeat("TAP: cone of 1 deg", _tap, 50, most_ms=300)

    async def table() -> None:
        idle = running.process.memory_info().rss
        most = idle

        async def watch() -> None:
            nonlocal most
            while True:
                most = max(most, running.process.memory_info().rss)
                await asyncio.sleep(0.02)

        watching = asyncio.create_task(watch())
        try:
            load = await running.one_by_one(lambda: _TABLE, 3)
        finally:
            watching.cancel()
        above = (most - idle) / 1e6
        is_held = load.quantile_ms(0.5) <= 1000 and above <= 50
        running.print(name, "<= 1 s, 50 MB", load, measured=f"+{above:.0f} MB", is_held=is_held)

    name = "VOTable, a tenth of the sources (1e5 rows)"
    await running.figure(name, table)


async def _measure_slow_clients(running: Server) -> None:
    """Ask for recent transients beside 1000 requests that never end and 500 slow readers."""

    async def beside() -> None:
        async with slow_clients(running.port, _TRANSIENTS, n_half=1000, n_slow=500):
            load = await at_rate(
                running.port, running.process, lambda: _TRANSIENTS, per_s=20, n=600
            )
        is_held = load.quantile_ms(0.99) <= 300
        running.print(name, "p99 <= 300 ms", load, is_held=is_held)

    name = "recent transients beside 1500 slow clients"
    await running.figure(name, beside)


async def _measure_streams(
    running: Server, connection: asyncpg.Connection, *, n_clients: int, n_alerts: int
) -> None:
    """Count what many clients of the alert stream get, and how late."""
    name = f"{n_clients} SSE clients, 10 alerts/s"

    async def streams() -> None:
        newest = await connection.fetchval("select max(id) from alert")
        load = Load()
        sent_s: list[float] = []
        is_open = [asyncio.Event() for _ in range(n_clients)]
        path = f"{_API}/alerts/stream?last_event_id={newest}"
        async with asyncio.TaskGroup() as tasks:
            for event in is_open:
                tasks.create_task(
                    follow_alerts(running.port, path, load, sent_s, n=n_alerts, is_open=event)
                )
            for event in is_open:
                await event.wait()
            cpu_s, started_s = cpu_of(running.process), time.perf_counter()
            for number in range(n_alerts):
                await asyncio.sleep(max(0.0, started_s + number / 10 - time.perf_counter()))
                sent_s.append(time.perf_counter())
                await connection.execute(_SEND, newest, number)
        load.wall_s = time.perf_counter() - started_s
        load.cpu_s = cpu_of(running.process) - cpu_s
        lost = n_clients * n_alerts - len(load.times_s)
        running.print(name, "none lost", load, measured=f"{lost} lost", is_held=lost == 0)

    await running.figure(name, streams)


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
    with stop_requests():
        main()
