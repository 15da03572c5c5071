"""What a timestep reads does not grow with the age of its stream."""

from dataclasses import replace

import numpy as np

from schemas.messages import ForcedMeasurements, ForcedRequest
from tests.support.association import Associator, associator
from tests.support.forced_results import measure, store
from tests.support.records import image, sources

TRUE = [(125.0 + 0.3 * (n % 4), 8.0 + 0.3 * (n // 4)) for n in range(12)]
FLUX_JY, ERR_JY = 0.05, 1e-3
# Images from before the first one, each with every true source.
N_OLD = 4000
_WITH_A_PAST = ("image", "detection", "transient")
# In so many steps each source is missed in two looks in a row, once.
N_STEPS = len(TRUE)


def _measure(request: ForcedRequest) -> ForcedMeasurements:
    """Return what an image has at the positions of a request: true sources, and nothing."""
    result, positions = measure(request), request.positions
    at = np.stack([positions.ra, positions.dec], axis=1)
    away_deg = np.abs(at[:, None] - np.array(TRUE)).max(axis=2).min(axis=1)
    flux = np.where(away_deg < 0.02, FLUX_JY, 0.0)
    return replace(result, measurements=replace(result.measurements, flux_peak_jy_beam=flux))


async def _observe(case: Associator, step: int) -> None:
    """Deliver an image, 8 s after the last one, with false peaks at new places."""
    seen = [place for n, place in enumerate(TRUE) if (step - n) % N_STEPS not in (0, 1)]
    false = [
        (119.0 + 0.1 * (n % 40), 6.0 + 0.1 * (n // 40)) for n in range(3 * step, 3 * step + 3)
    ]
    measured = sources(
        seen + false, flux_jy=[FLUX_JY] * len(seen) + [8.3e-3] * 3, flux_err_jy=ERR_JY
    )
    record = image(step / 10_800, measured, detection_threshold_sigma=8.0)
    assert record.metadata is not None
    await case.feed(replace(record, metadata=replace(record.metadata, exposure_s=8.0)))
    while case.requests:
        for request in [case.requests.pop(0) for _ in range(len(case.requests))]:
            await store(case, _measure(request))
        await case.settle()


async def _count_read(case: Associator, steps: range) -> dict[str, int]:
    """Return how many rows some steps read of each table; partitions count as theirs."""
    before = await _rows_read(case)
    for step in steps:
        await _observe(case, step)
    after = await _rows_read(case)
    return {name: n_rows - before.get(name, 0) for name, n_rows in after.items()}


async def _rows_read(case: Associator) -> dict[str, int]:
    connections = [await case.pool.acquire() for _ in range(case.pool.get_size())]
    for connection in connections:
        await connection.execute("select pg_stat_force_next_flush()")
    for connection in connections:
        await case.pool.release(connection)
    rows = await case.rows(
        "select regexp_replace(relname, '_s[0-9].*', '') as name, "
        "sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint as n_rows "
        "from pg_stat_user_tables group by 1"
    )
    return {row["name"]: row["n_rows"] for row in rows}


async def _copy_back_in_time(case: Associator, table: str, which: str, **changed: str) -> None:
    """Insert rows of a table `N_OLD` times, each copy 8 s before the one before."""
    names = await case.rows(
        "select attname as name from pg_attribute where attrelid = $1::text::regclass "
        "and attnum > 0 and not attisdropped and attgenerated = ''",
        table,
    )
    changed |= {"time_start": "time_start - copy * interval '8 s'"}
    values = ", ".join(changed.get(row["name"], row["name"]) for row in names)
    await case.pool.execute(
        # Names of this file, and of the schema.
        f"insert into {table} ({', '.join(row['name'] for row in names)}) "  # noqa: S608
        f"overriding system value select {values} from (select * from {table} where {which}) "
        f"as one, generate_series(1, {N_OLD}) as copy"
    )


async def _make_old(case: Associator) -> None:
    """Give the stream a long past: images, detections of its sources, events that are over."""
    [first] = await case.rows("select * from image order by time_start limit 1")
    await case.pool.execute(
        "select ensure_detection_partition($1, $2::timestamptz - interval '1 day')",
        first["stream_id"], first["time_start"],
    )  # fmt: skip
    await _copy_back_in_time(
        case, "image", f"image_key = {first['image_key']}",
        image_key="-copy", image_id="md5(copy::text)", timestep_id="null", kafka_offset="-copy",
    )  # fmt: skip
    await _copy_back_in_time(
        case, "detection",
        "image_key = (select min(image_key) from image where image_key > 0) "
        "and source_id in (select id from source)",
        image_key="-copy",
    )  # fmt: skip
    await _copy_back_in_time(
        case, "transient", "id = (select max(id) from transient where time_end is not null)",
        id="-copy", event_id="'old ' || copy", trig_id="'old ' || copy", source_id="-copy",
        image_key="-copy",
    )  # fmt: skip
    await case.pool.execute(
        f"update source_band set n_datapoints = n_datapoints + {N_OLD}, "  # noqa: S608
        f"flux_peak_weight = flux_peak_weight * {N_OLD}"
    )
    await case.pool.execute(f"update source set n_datapoints = n_datapoints + {N_OLD}")  # noqa: S608
    await case.pool.execute("analyze")


async def test_a_timestep_reads_no_more_of_an_old_stream(postgres_url: str) -> None:
    settings = {"lookback_images": 4, "lookback_wait_ms": 3_600_000}
    async with associator(postgres_url, **settings) as case:
        for step in range(N_STEPS):
            await _observe(case, step)
        # As before the steps to come: what is planned must not differ by what is known of tables.
        await case.pool.execute("analyze")
        young = await _count_read(case, range(N_STEPS, 2 * N_STEPS))
        await _make_old(case)
        old = await _count_read(case, range(2 * N_STEPS, 3 * N_STEPS))
    assert young["image"] > 0
    assert young["detection"] > 0
    # The others have as many rows as before: what is read of them is none of the past.
    more = {name: old[name] - young.get(name, 0) for name in _WITH_A_PAST}
    # One scan of the past has four times as many.
    assert {name: n_rows for name, n_rows in more.items() if n_rows > N_OLD / 4} == {}
