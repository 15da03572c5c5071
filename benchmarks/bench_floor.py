"""What a timestep cannot do without: its rows read and written by plain statements, in turn.

``python -m benchmarks.bench_floor`` takes three minutes. After some timesteps of the associator on
the database of `bench_associate`, the rows of the last one are read and written again, part by
part (`floor_parts.py`), each in a transaction that is committed; then all of them in one
transaction; then the associator has its next timestep.
"""

import argparse
import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import asyncpg
import numpy as np

from benchmarks import associate_sky
from benchmarks.bench_associate import (
    LIMIT_DEG,
    WARM_UP,
    Associator,
    Meter,
    hot_share,
    open_pool,
    postgres,
)
from benchmarks.floor_parts import Connection, Part, Replay, make_tables
from livetrap.database.migrations import migrate
from runtime.binary_rows import decode_rows
from runtime.postgres import lend_connection
from runtime.sql import load_statement
from services.associate.models.catalogue import SOURCE_DTYPE, STATISTICS_DTYPE
from services.associate.storage import Catalogue
from services.associate.storage.search_gaps import SearchGaps
from services.associate.storage.transaction import Transaction
from sky.geometry import Probes, merge_probes, probe_zones

# Beyond the detections: the search is wider than the limit of the match by the drift of a source.
_SEARCH_DEG = LIMIT_DEG + 10 / 3600
_N_LEARNED = 30
_FIRST_KEY = 1 << 40
_TOGETHER = "all of the service's statements, and the commit"
_ROWS_ALONE = "the same rows without their values, and the commit"
# What is stored otherwise is no part of a timestep.
_OTHERWISE = "both as one value"


async def measure(url: str, n_sources: int, n_rows: int, n_rounds: int) -> None:
    """Print medians of all parts and of the associator, in turn."""
    await asyncio.to_thread(migrate, url)
    connection = await asyncpg.connect(url)
    await associate_sky.fill_catalogue(connection, n_sources)
    await make_tables(connection)
    field = await associate_sky.find_field(connection, n_rows)
    pool = await open_pool(url)
    sky = associate_sky.Sky(field, n_new=n_rows // 1000, run=0)
    associator = Associator(pool, sky, name="bench-floor")
    await associator.start()
    for _ in range(WARM_UP):
        await associator.associate_next()
    replay = await find_rows(pool, field)
    parts = [
        (f"{what}: {part.name}", part) for what, ways in replay.parts().items() for part in ways
    ]
    spent: dict[str, list[Meter]] = {name: [] for name, _ in parts}
    spent |= {_TOGETHER: [], _ROWS_ALONE: []}
    service: list[Meter] = []
    within_s: list[float] = []
    for number in range(n_rounds):
        with clocked_statements() as clock:
            reading = await associator.associate_next()
        if reading is not None:
            service.append(reading)
            within_s.append(clock[0])
        async with lend_connection(pool) as lent:
            await replay.learn_versions(lent)
            await _measure_round(lent, replay, spent, number)
    hot = [await hot_share(pool, table) for table in ("source", "source_band")]
    await associator.aclose()
    await connection.close()
    _print(spent, service, within_s, n_sources)
    print(f"HOT updates of source and source_band: {hot[0]:.1f} and {hot[1]:.1f} %")


async def find_rows(pool: asyncpg.Pool, field: associate_sky.Field) -> Replay:
    """Return the rows of the last timestep."""
    image = await pool.fetchrow(
        "select image_key, time_start from image where time_start is not null "
        "order by image_key desc limit 1"
    )
    rows = await pool.fetch(
        "select * from detection where image_key = $1 and time_start = $2 "
        "and source_id in (select source_id from source_band) order by source_id",
        image["image_key"], image["time_start"],
    )  # fmt: skip
    ids = np.array([row["source_id"] for row in rows])
    package, stream_id = "services.associate", rows[0]["stream_id"]
    sources = decode_rows(
        await pool.fetchval(load_statement(package, "select_sources").text, stream_id, ids),
        SOURCE_DTYPE,
    )
    [channel] = await pool.fetch(load_statement(package, "select_statistics").text, ids)
    detections: dict[str, object] = {
        name: np.array([row[name] for row in rows])
        for name in set(rows[0].keys()) - {"extraction_type", "p_false"}
    }
    detections["de_ruiter_radius"] = np.nan_to_num(
        np.array([row["de_ruiter_radius"] for row in rows], np.float64)
    )
    detections["source_number"] = np.arange(len(rows), dtype=np.int32)
    detections["p_false"] = np.zeros(len(rows))
    for name in ("stream_id", "time_start", "band_id", "stokes", "image_key"):
        detections[name] = rows[0][name]
    return Replay(
        await find_boxes(pool, field, stream_id),
        np.sort(sources, order="id"),
        np.sort(decode_rows(channel["rows"], STATISTICS_DTYPE), order="source_id"),
        detections,
    )


async def find_boxes(pool: asyncpg.Pool, field: associate_sky.Field, stream_id: int) -> Probes:
    """Return the boxes of a search, merged as far as the associator has learned to."""
    boxes, gaps = probe_zones(field.ra, field.dec, _SEARCH_DEG), SearchGaps()
    async with lend_connection(pool) as connection:
        for _ in range(_N_LEARNED):
            await Catalogue(connection, gaps).load_sources(stream_id, boxes)
    return merge_probes(boxes, gaps.gap_deg(stream_id))


@contextmanager
def clocked_statements() -> Iterator[list[float]]:
    """Add up the CPU time of this process within the associator's statements [s]."""
    clock = [0.0]
    own = {
        name: getattr(Transaction, name) for name in ("_fetch", "_fetchval", "_execute", "_copy")
    }

    def clocked(call: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
        async def run(*arguments: object, **values: object) -> object:
            before_s = time.process_time()
            try:
                return await call(*arguments, **values)
            finally:
                clock[0] += time.process_time() - before_s

        return run

    for name, call in own.items():
        setattr(Transaction, name, clocked(call))
    try:
        yield clock
    finally:
        for name, call in own.items():
            setattr(Transaction, name, call)


async def _measure_round(
    connection: Connection, replay: Replay, spent: dict[str, list[Meter]], number: int
) -> None:
    """Measure each part once; every round begins with another one."""
    groups = replay.parts()
    parts = [(f"{what}: {part.name}", part) for what, ways in groups.items() for part in ways]
    needed = [ways for what, ways in groups.items() if what != _OTHERWISE]
    together = {
        _TOGETHER: [ways[-1] for ways in needed],
        _ROWS_ALONE: [ways[0] for ways in needed],
    }
    key = _FIRST_KEY + number * (len(parts) + len(together))
    for place in range(len(parts)):
        name, part = parts[(place + number) % len(parts)]
        spent[name].append(await _measure_part(connection, part, key + place))
    for place, (name, chosen) in enumerate(together.items()):
        before = Meter.read(connection.get_server_pid())
        async with connection.transaction():
            for part in chosen:
                await part.run(connection, key + len(parts) + place)
        spent[name].append(Meter.read(connection.get_server_pid()) - before)


async def _measure_part(connection: Connection, part: Part, key: int) -> Meter:
    """Return what one statement takes, without its transaction."""
    async with connection.transaction():
        before = Meter.read(connection.get_server_pid())
        await part.run(connection, key)
        return Meter.read(connection.get_server_pid()) - before


def _print(
    spent: dict[str, list[Meter]], service: list[Meter], within_s: list[float], n_sources: int
) -> None:
    print(f"{n_sources} sources, {len(service)} rounds, medians; load {os.getloadavg()[0]:.1f}")
    print(f"{'':55s} client  server [ms]")
    for name, readings in {**spent, "the associator": service}.items():
        client_ms, server_ms = _medians_ms(readings)
        print(f"{name:55s} {client_ms:6.2f}  {server_ms:6.2f}")
    client_ms, server_ms = _medians_ms(service)
    within_ms = 1000 * float(np.median(within_s))
    print(f"{'  of these within statements':55s} {within_ms:6.2f}")
    floor_client_ms, floor_server_ms = _medians_ms(spent[_TOGETHER])
    rest_ms = client_ms - within_ms
    print(
        f"floor: {floor_server_ms:.1f} server + {floor_client_ms:.1f} driver + {rest_ms:.1f} the "
        f"rest of the client = {floor_server_ms + floor_client_ms + rest_ms:.1f} ms, "
        f"of {client_ms + server_ms:.1f} that the associator takes"
    )


def _medians_ms(readings: list[Meter]) -> tuple[float, float]:
    """Return the medians of client and server [ms]."""
    client_ms, server_ms = (
        1000 * float(np.median([getattr(each, of) for each in readings]))
        for of in ("client_s", "server_s")
    )
    return client_ms, server_ms


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sources", type=int, default=1_000_000)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} before the start")
    with postgres() as (url, _):
        asyncio.run(measure(url, options.sources, options.rows, options.rounds))


if __name__ == "__main__":
    main()
