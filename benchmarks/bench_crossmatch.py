"""What the cross-match costs as SQL in PostgreSQL, against pairing candidates in NumPy.

Whole timesteps as in ``bench_associate.py``, four ways in turn on one catalogue, each with its
pairs checked against the others':

- ``numpy``: candidates in one statement, pairs by a sorted list (what the service does);
- ``sql``: the same candidates, which the image solution needs, then the pairs by a statement;
- ``numpy, no solution`` and ``sql, no solution``: images are not solved against the catalogue, so
  that one statement can return pairs and sources.

``python -m benchmarks.bench_crossmatch`` takes some minutes.
"""

import argparse
import asyncio
import os
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from unittest import mock

import asyncpg
import numpy as np

from benchmarks import associate_sky, sql_pairs
from benchmarks.bench_associate import (
    LIMIT_DEG,
    SETTINGS,
    SYSTEMATIC_DEG,
    Meter,
    open_pool,
    postgres,
)
from livetrap.database.migrations import migrate
from livetrap.stack.foreground import stop_requests
from runtime.attempts import AttemptLog, state_dir
from runtime.in_flight import InFlight, MessageLimits
from runtime.kafka import InMessage
from schemas.codec import encode_image_detections
from schemas.messages import ImageDetections
from schemas.topics import Topics
from services.associate.handlers import timestep as timestep_module
from services.associate.handlers.detections import DetectionsHandler
from services.associate.models.catalogue import CatalogueState
from services.associate.models.timesteps import Timestep
from services.associate.steps import candidate_sources
from services.associate.steps.matching import Links, Positions, find_pairs
from services.associate.steps.rows import DRIFT_LIMIT_DEG
from services.associate.storage import Catalogue
from sky.geometry import probe_zones

WAYS = ("numpy", "sql", "numpy, no solution", "sql, no solution")
WARM_UP = 3
LIMITS = sql_pairs.Limits(
    LIMIT_DEG, DRIFT_LIMIT_DEG, SYSTEMATIC_DEG, SETTINGS.associate.de_ruiter_radius
)
_load_sources = timestep_module._load_sources  # noqa: SLF001  (what the service does)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", type=int, default=1_000_000)
    parser.add_argument("--detections", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--timesteps", type=int, default=40, help="of each way")
    parser.add_argument("--bands", type=int, default=1, help="images of a timestep")
    options = parser.parse_args()
    with postgres() as (url, _):
        print(
            f"cores {os.cpu_count()}, load {os.getloadavg()[0]:.2f} before the start", flush=True
        )
        asyncio.run(measure(url, options))


async def measure(url: str, options: argparse.Namespace) -> None:
    """Measure all sizes of images on one catalogue."""
    admin = await asyncpg.connect(url)
    await admin.execute("create database bench")
    base = url.rsplit("/", 1)[0] + "/bench"
    await asyncio.to_thread(migrate, base)
    connection = await asyncpg.connect(base)
    await associate_sky.fill_catalogue(connection, options.sources)
    ways = WAYS if options.bands == 1 else WAYS[:2]
    for run, m in enumerate(options.detections):
        n_turns = options.timesteps if m < 10_000 else max(options.timesteps // 3, 2)
        bench = Bench(m, options.bands, ways, run)
        readings = await bench.measure_ways(base, connection, n_turns)
        report(f"{options.sources:8d} {m:6d} x {options.bands}", readings)
    await connection.close()
    await admin.close()


@dataclass(slots=True)
class Pairing:
    """The way that is measured now, and the pairs that SQL has found for the timestep."""

    way: str = WAYS[0]
    links: deque[Links] = field(default_factory=deque)

    async def load_sources(
        self, catalogue: Catalogue, timestep: Timestep, state: CatalogueState, radius_deg: float
    ) -> CatalogueState:
        """Stand in for `handlers.timestep._load_sources`."""
        self.links.clear()
        if not self.way.startswith("sql"):
            return await _load_sources(catalogue, timestep, state, radius_deg)
        only_pairs = self.way == "sql"
        if only_pairs:
            state = await _load_sources(catalogue, timestep, state, radius_deg)
        for number, record in enumerate(timestep.records):
            if number:
                await self._store_positions(catalogue, state, timestep)
            err = np.hypot(record.sources.ra_err_deg, SYSTEMATIC_DEG)
            sources, links = await sql_pairs.find_pairs(
                catalogue._connection,  # noqa: SLF001  (of the transaction)
                state.stream_id,
                Positions(record.sources.ra, record.sources.dec, err, err),
                LIMITS,
                with_sources=not only_pairs,
            )
            if only_pairs:
                row = np.searchsorted(state.sources["id"], sources["id"])
                links = replace(links, source=row[links.source])
            self.links.append(links)
        if only_pairs:
            return state
        statistics = await catalogue.load_statistics(sources["id"])
        return replace(state, sources=sources, statistics=statistics)

    @staticmethod
    async def _store_positions(
        catalogue: Catalogue, state: CatalogueState, timestep: Timestep
    ) -> None:
        """Do what a statement that pairs the next image needs: store what the last one moved.

        The values are those that are stored: only what it costs counts here.
        """
        rows = state.sources
        names = ("id", "ra", "dec", "weight_ra", "weight_dec", "n_datapoints")
        nothing = np.zeros(rows.size)
        columns = {**{name: rows[name] for name in names}, "eta": nothing, "v": nothing}
        await catalogue.update_sources(columns, timestep.time_start)

    def find_pairs(self, detections: Positions, sources: Positions, **limits: float) -> Links:
        """Stand in for `steps.matching.find_pairs`."""
        return self.links.popleft() if self.links else find_pairs(detections, sources, **limits)


@dataclass(frozen=True, slots=True)
class Bench:
    """Timesteps of `bands` images with `m` detections each, associated in several ways in turn."""

    m: int
    bands: int
    ways: tuple[str, ...]
    run: int

    async def measure_ways(
        self, url: str, connection: asyncpg.Connection, n_turns: int
    ) -> dict[str, list[Meter]]:
        """Associate timesteps, each way in turn."""
        field_of_view = await associate_sky.find_field(connection, self.m)
        sky = associate_sky.Sky(field_of_view, n_new=self.m // 1000, run=self.run)
        pool = await open_pool(url)
        pairing = Pairing()
        name = f"crossmatch-{self.m}"
        in_flight = InFlight(AttemptLog(state_dir(), group=name), MessageLimits())
        handler = DetectionsHandler(SETTINGS.associate, Topics(), name, pool, in_flight)
        await handler.take_partitions([0])
        readings: dict[str, list[Meter]] = defaultdict(list)
        with (
            mock.patch.object(timestep_module, "_load_sources", pairing.load_sources),
            mock.patch.object(candidate_sources, "find_pairs", pairing.find_pairs),
        ):
            for turn, way in enumerate(self._shuffle_ways(WARM_UP + n_turns)):
                pairing.way = way
                handler._settings = SETTINGS.associate.model_copy(  # noqa: SLF001  (between timesteps)
                    update={"image_solution": not way.endswith("no solution")}
                )
                reading = await self._associate_next(handler, pool, sky, turn * self.bands)
                if turn >= WARM_UP * len(self.ways) and reading is not None:
                    readings[way].append(reading)
        await check_pairs(pool, sky)
        await handler.aclose()
        return readings

    def _shuffle_ways(self, n_turns: int) -> list[str]:
        """Return every way once in each turn, in any order.

        The rows of all sources fill their pages in step, and are pruned in step: a fixed order
        would give that work to one way.
        """
        rng, n_ways = np.random.default_rng(1), len(self.ways)
        return [self.ways[each] for _ in range(n_turns) for each in rng.permutation(n_ways)]

    async def _associate_next(
        self, handler: DetectionsHandler, pool: asyncpg.Pool, sky: associate_sky.Sky, offset: int
    ) -> Meter | None:
        """Associate a timestep; return what it cost, None if the connection was replaced."""
        messages = [encode_image_detections(each) for each in self._next_images(sky)]
        backend = await pool.fetchval("select pg_backend_pid()")
        before = Meter.read(backend)
        for number, data in enumerate(messages):
            handler.on_message(InMessage("detections-v1", 0, offset + number, b"", data))
        while await handler.associate_ready() and handler.has_ready:
            pass
        while await handler.outbox.relay(lambda _: None):
            pass
        with suppress(FileNotFoundError):
            return Meter.read(backend) - before
        return None

    def _next_images(self, sky: associate_sky.Sky) -> Iterator[ImageDetections]:
        """Give the images of one timestep, a band each."""
        first = sky.next_image()
        if first.metadata is None:
            raise RuntimeError("every image of the bench has metadata")
        yield first
        for band in range(1, self.bands):
            freq_hz = first.metadata.freq_eff_hz + band * 10e6
            yield replace(
                first,
                image_id=f"{band:x}{first.image_id[1:]}",
                source=replace(first.source, partition=100 * band + self.run),
                metadata=replace(first.metadata, freq_eff_hz=freq_hz),
                sources=sky.measure(),
            )


async def check_pairs(pool: asyncpg.Pool, sky: associate_sky.Sky) -> None:
    """Stop if the two ways pair other detections and sources."""
    measured = sky.measure()
    err = np.hypot(measured.ra_err_deg, SYSTEMATIC_DEG)
    detections = Positions(measured.ra, measured.dec, err, err)
    boxes = probe_zones(measured.ra, measured.dec, LIMIT_DEG + DRIFT_LIMIT_DEG)
    async with pool.acquire() as connection:
        rows = await Catalogue(connection).load_sources(1, boxes)
        candidates = candidate_sources.CandidateSources(SYSTEMATIC_DEG)
        candidates.load(rows, {})
        ours = find_pairs(
            detections,
            candidates.positions(),
            de_ruiter_limit=LIMITS.de_ruiter,
            distance_limit_deg=LIMITS.distance_deg,
        )
        sources, theirs = await sql_pairs.find_pairs(
            connection, 1, detections, LIMITS, with_sources=True
        )
    one, two = (
        set(zip(links.detection.tolist(), table["id"][links.source].tolist(), strict=True))
        for links, table in ((ours, rows), (theirs, sources))
    )
    if one != two:
        raise SystemExit(f"the pairs differ: {len(one)} here, {len(two)} by SQL")


def report(what: str, readings: dict[str, list[Meter]]) -> None:
    """Print the median CPU of each way, and the cost of SQL against its counterpart."""
    columns = {
        way: [
            1000 * np.array([getattr(each, name) for each in metered])
            for name in ("client_s", "server_s")
        ]
        for way, metered in readings.items()
    }
    sums = {way: float(np.median(client + server)) for way, (client, server) in columns.items()}
    for way, (client, server) in columns.items():
        base = sums[way.replace("sql", "numpy")]
        print(
            f"{what}  {way:20}  client {np.median(client):7.2f}  server {np.median(server):7.2f}  "
            f"sum {sums[way]:7.2f} ms  {100 * (sums[way] / base - 1):+6.1f} %  "
            f"load {os.getloadavg()[0]:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    with stop_requests():
        main()
