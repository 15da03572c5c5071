"""What a timestep costs the associator: CPU of client and server, wall clock, and against TraP.

Starts a PostgreSQL of its own in a temporary folder. A timestep is what it is in production: the
bytes of a record in, decoding, association, the transaction committed, the outbox emptied; only
Kafka is left out. ``python -m benchmarks.bench_associate --full`` takes 5 minutes.
"""

import argparse
import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import numpy as np
import psutil
from pydantic import SecretStr

from benchmarks import associate_sky, trap_cross_match
from livetrap.database.migrations import migrate
from livetrap.stack.child import bind_to_parent
from livetrap.stack.foreground import stop_requests
from livetrap.stack.ports import choose_port
from livetrap.stack.postgres_server import open_server, remove_cluster
from runtime.array_codecs import take_numpy
from runtime.attempts import AttemptLog, state_dir
from runtime.in_flight import InFlight, MessageLimits
from runtime.kafka import InMessage
from runtime.postgres import create_pool
from runtime.settings import PostgresSettings, Settings
from schemas.codec import encode_image_detections
from schemas.messages import SourceColumns
from schemas.topics import Topics
from services.associate.handlers.detections import DetectionsHandler
from services.associate.steps.candidate_sources import CandidateSources
from services.associate.steps.matching import Positions, find_pairs, resolve
from services.associate.storage import Catalogue
from sky.geometry import probe_zones

# Nobody answers requests here.
SETTINGS = Settings(associate={"first_timestep_wait_s": 1e-6, "archive_wait_s": 0.0})
SYSTEMATIC_DEG = SETTINGS.associate.systematic_position_error_arcsec / 3600
LIMIT_DEG = SETTINGS.associate.beamwidths_limit * associate_sky.BEAM_MAJOR_DEG / 2
# Steps that are not counted: caches fill, statements are prepared, the partition is made.
WARM_UP = 5
MAIN = (1_000_000, 1000)
N_MATCHES = 9
HEADER = (
    "sources  detections  steps |  client  server  background  CPU sum [ms] |  wall median [ms] | "
    "last/first 100 | HOT source, source_band [%] | load"
)


@dataclass(frozen=True, slots=True)
class Meter:
    """CPU time of this process and of one backend, wall clock; all [s]."""

    client_s: float
    server_s: float
    wall_s: float

    @classmethod
    def read(cls, backend: int) -> "Meter":
        """Read the clocks; the kernel's accounting of a task is in nanoseconds."""
        task = Path(f"/proc/{backend}/schedstat").read_text(encoding="ascii")
        return cls(time.process_time(), int(task.split()[0]) / 1e9, time.perf_counter())

    def __sub__(self, other: "Meter") -> "Meter":
        """Return what passed between two readings."""
        return Meter(
            self.client_s - other.client_s,
            self.server_s - other.server_s,
            self.wall_s - other.wall_s,
        )


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="5 million sources, 2000 timesteps")
    parser.add_argument("--sources", type=int, nargs="+", help="catalogue sizes")
    parser.add_argument("--detections", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--timesteps", type=int, help="of the longest run")
    options = parser.parse_args()
    sizes = options.sources or [10_000, 100_000, 1_000_000] + [5_000_000] * options.full
    steps = options.timesteps or (2000 if options.full else 300)
    with postgres() as (url, server):
        print(f"cores {os.cpu_count()}, load {os.getloadavg()[0]:.2f} before the start")
        print(HEADER, flush=True)
        for n in sizes:
            asyncio.run(measure_catalogue(url, server, n, options.detections, steps))


@contextmanager
def postgres() -> Iterator[tuple[str, int]]:
    """Start PostgreSQL; give its address and the process id of its parent process."""
    folder = Path(tempfile.mkdtemp(prefix="livetrap-bench-"))
    server = open_server(folder, port=choose_port(None, taken=set()))
    server.prepare()
    command = bind_to_parent(server.command(), death_signal=signal.SIGINT, user=server.account)
    with (folder / "postgres.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            server.wait_until_ready(assert_alive=lambda: None)
            yield server.url, int((server.cluster / "postmaster.pid").read_text().split()[0])
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()
            remove_cluster(folder)
            shutil.rmtree(folder, ignore_errors=True)


async def measure_catalogue(
    url: str, server: int, n: int, detections: list[int], steps: int
) -> None:
    """Measure one size of catalogue, in a database of its own."""
    admin = await asyncpg.connect(url)
    await admin.execute("drop database if exists bench")
    await admin.execute("create database bench")
    base = url.rsplit("/", 1)[0] + "/bench"
    await asyncio.to_thread(migrate, base)
    connection = await asyncpg.connect(base)
    await associate_sky.fill_catalogue(connection, n)
    for run, m in enumerate(detections):
        n_steps = steps if (n, m) == MAIN else max(10, min(steps, 60_000 // m, 120))
        await measure_steps(base, server, connection, n, m, steps=n_steps, run=run)
    if n == MAIN[0]:
        await compare_with_trap(base, connection, MAIN[1])
    await connection.close()
    await admin.execute("drop database bench")
    await admin.close()


async def measure_steps(
    url: str, server: int, connection: asyncpg.Connection, n: int, m: int, *, steps: int, run: int
) -> None:
    """Associate consecutive timesteps and print what one of them costs."""
    field = await associate_sky.find_field(connection, min(m, n))
    pool = await open_pool(url)
    sky = associate_sky.Sky(field, n_new=m // 1000, run=run)
    associator = Associator(pool, sky, name=f"bench-{m}")
    await associator.start()
    await connection.execute("select pg_stat_reset()")
    readings: list[Meter] = []
    background_s = 0.0
    for step in range(WARM_UP + steps):
        if step == WARM_UP:
            background_s = -postgres_cpu_s(server)
        reading = await associator.associate_next()
        if reading is not None:
            readings.append(reading)
    readings = readings[WARM_UP:]
    background_s += postgres_cpu_s(server) - sum(each.server_s for each in readings)
    await pool.fetchval("select pg_stat_force_next_flush()")
    hot = [await hot_share(pool, table) for table in ("source", "source_band")]
    await associator.aclose()
    print_row(n, m, readings, background_s / steps, hot)


class Associator:
    """The associator without Kafka, over a pool of one connection.

    Parameters
    ----------
    pool : asyncpg.Pool
        Closed by `aclose`.
    sky : Sky
        Gives its images.
    name : str
        Of its Kafka cluster: another one for each sky of a database.
    """

    def __init__(self, pool: asyncpg.Pool, sky: associate_sky.Sky, *, name: str) -> None:
        self._pool = pool
        self._sky = sky
        self._n_images = 0
        attempts = AttemptLog(state_dir(), group=name)
        self._handler = DetectionsHandler(
            SETTINGS.associate, Topics(), name, pool, InFlight(attempts, MessageLimits())
        )

    async def start(self) -> None:
        """Take the partition."""
        await self._handler.take_partitions([0])

    async def associate_next(self) -> Meter | None:
        """Associate the next image; return what that took, None if its backend has ended."""
        data = encode_image_detections(self._sky.next_image())
        message = InMessage("detections-v1", 0, self._n_images, b"", data)
        self._n_images += 1
        # The pool takes a new connection after 50 000 statements.
        backend = await self._pool.fetchval("select pg_backend_pid()")
        before = Meter.read(backend)
        self._handler.on_message(message)
        while await self._handler.associate_ready() and self._handler.has_ready:
            pass
        while await self._handler.outbox.relay(lambda _: None):
            pass
        with suppress(FileNotFoundError):
            return Meter.read(backend) - before
        return None

    async def aclose(self) -> None:
        """Close the pool."""
        await self._handler.aclose()


async def open_pool(url: str) -> asyncpg.Pool:
    """Return a pool of one connection, otherwise as the service has it."""
    return await create_pool(
        PostgresSettings(url=SecretStr(url), pool_size=1),
        service="bench",
        prepare=take_numpy,
        resets_sessions=False,
    )


def postgres_cpu_s(server: int) -> float:
    """Return the CPU time of all of PostgreSQL, ended workers included [s]."""
    parent = psutil.Process(server)
    ended = parent.cpu_times()
    total = ended.user + ended.system + ended.children_user + ended.children_system
    for child in parent.children():
        times = child.cpu_times()
        total += times.user + times.system
    return total


async def hot_share(pool: asyncpg.Pool, table: str) -> float:
    """Return the share of updates that touched no index [%]."""
    row = await pool.fetchrow(
        "select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relname = $1", table
    )
    return 100 * row["n_tup_hot_upd"] / max(row["n_tup_upd"], 1)


def print_row(
    n: int, m: int, readings: list[Meter], background_s: float, hot: list[float]
) -> None:
    """Print means of the CPU times and the median of the wall clock."""
    client, server = (
        1000 * np.array([getattr(each, name) for each in readings])
        for name in ("client_s", "server_s")
    )
    wall = 1000 * float(np.median([each.wall_s for each in readings]))
    cpu = client + server
    growth = f"{cpu[-100:].mean() / cpu[:100].mean():14.2f}" if len(cpu) >= 200 else f"{'-':>14}"
    total = cpu.mean() + 1000 * background_s
    print(
        f"{n:7d}  {m:10d}  {len(cpu):5d} |  {client.mean():6.1f}  {server.mean():6.1f}  "
        f"{1000 * background_s:10.1f}  {total:12.1f} |  {wall:16.1f} | {growth} | "
        f"{hot[0]:13.1f}, {hot[1]:12.1f} | {os.getloadavg()[0]:.2f}",
        flush=True,
    )


async def compare_with_trap(url: str, connection: asyncpg.Connection, m: int) -> None:
    """Match images both ways in turn; the pairs must be the same.

    TraP's cost hangs on where its rows lie: in the order of the sky they are found in the cache,
    in any order (what its updates, which move every row, tend to) they are not.
    """
    field = await associate_sky.find_field(connection, m)
    sky = associate_sky.Sky(field, n_new=m // 1000, run=0)
    pool = await open_pool(url)
    print(f"\nmatch of {m} detections alone, CPU of client and server, median of {N_MATCHES}")
    for name, order in (("in the order of the sky", "id"), ("in random order", "random()")):
        await trap_cross_match.make_catalogue(connection, SYSTEMATIC_DEG, order=order)
        ours: list[Meter] = []
        trap: list[Meter] = []
        for image in range(N_MATCHES):
            await match_both(pool, connection, image, sky.measure(), ours, trap)
        mine, theirs = (
            1000 * float(np.median([each.client_s + each.server_s for each in readings]))
            for readings in (ours, trap)
        )
        print(
            f"TraP's rows {name}: LiveTrap {mine:.1f} ms, TraP-style SQL {theirs:.1f} ms, "
            f"ratio {theirs / mine:.0f}, load {os.getloadavg()[0]:.2f}",
            flush=True,
        )
    await pool.close()


async def match_both(
    pool: asyncpg.Pool,
    connection: asyncpg.Connection,
    image: int,
    measured: SourceColumns,
    ours: list[Meter],
    trap: list[Meter],
) -> None:
    """Match one image both ways, and note what each took."""
    limit = SETTINGS.associate.de_ruiter_radius
    await trap_cross_match.put_image(
        connection, image, measured, systematic_deg=SYSTEMATIC_DEG, limit_deg=LIMIT_DEG
    )
    backend = await pool.fetchval("select pg_backend_pid()")
    pairs = await timed(backend, ours, lambda: match_ours(pool, measured))
    backend = await connection.fetchval("select pg_backend_pid()")
    found = await timed(
        backend,
        trap,
        lambda: trap_cross_match.match(
            connection, image, limit_deg=LIMIT_DEG, de_ruiter_limit=limit
        ),
    )
    if pairs != found:
        raise SystemExit(f"the matches differ: {pairs} and {found} (pairs, sum of ids)")


async def timed(
    backend: int, readings: list[Meter], work: Callable[[], Awaitable[tuple[int, int]]]
) -> tuple[int, int]:
    """Do some work and note what it took."""
    before = Meter.read(backend)
    result = await work()
    readings.append(Meter.read(backend) - before)
    return result


async def match_ours(pool: asyncpg.Pool, measured: SourceColumns) -> tuple[int, int]:
    """Match as `services.associate` does; return the number of pairs and the sum of their ids."""
    probes = probe_zones(measured.ra, measured.dec, LIMIT_DEG + 10 / 3600)
    async with pool.acquire() as connection:
        sources = await Catalogue(connection).load_sources(1, probes)
    candidates = CandidateSources(SYSTEMATIC_DEG)
    candidates.load(sources, {})
    err = np.hypot(measured.ra_err_deg, SYSTEMATIC_DEG)
    pairs = find_pairs(
        Positions(measured.ra, measured.dec, err, err),
        candidates.positions(),
        de_ruiter_limit=SETTINGS.associate.de_ruiter_radius,
        distance_limit_deg=LIMIT_DEG,
    )
    resolve(pairs)
    return pairs.source.size, int(sources["id"][pairs.source].sum())


if __name__ == "__main__":
    with stop_requests():
        main()
