"""`livetrap streams` and the retention of measurements, on a real PostgreSQL."""

import asyncio
import io
import json
import time
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
import pyarrow.parquet as pq
import pytest

from livetrap.cli import run
from livetrap.operator.stream_export import TABLES
from tests.support.association import Associator, associator
from tests.support.records import image, rejected, sources

PLACES = [(123.0, 10.0), (123.5, 10.5)]


@pytest.fixture(autouse=True)
def reach_the_database(postgres_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LIVETRAP_POSTGRES__URL", postgres_url)
    monkeypatch.setenv("LIVETRAP_DATA_DIR", str(tmp_path / "no-stack"))


async def observe(case: Associator) -> None:
    """Four timesteps in two months; the last one shows a new source."""
    for step in (0, 10, 20, 40):
        places = [*PLACES, (124.0, 9.0)] if step == 40 else PLACES
        await case.feed(image(step, sources(places, flux_jy=0.02)))
    await case.feed(rejected(image(41)))


async def livetrap(*arguments: str) -> int:
    """Run a command beside this event loop, as a process would."""
    return await asyncio.to_thread(run, list(arguments))


async def rows_of_stream(case: Associator) -> dict[str, int]:
    counts = {}
    for table in ("image", "source", "transient", "timestep", "band", "detection"):
        (row,) = await case.rows(
            f"select count(*) as n from {table} where stream_id = "  # noqa: S608
            "(select id from stream where name = $1)",
            case.stream,
        )
        counts[table] = row["n"]
    return counts


async def test_a_stream_is_listed_and_described(
    postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with associator(postgres_url) as case:
        await observe(case)
        assert await livetrap("streams", "list", "--json") == 0
        listed = json.loads(capsys.readouterr().out)
        (mine,) = [each for each in listed if each["name"] == case.stream]
        wanted = {"n_images": 5, "n_rejected": 1, "n_sources": 3, "n_transients": 1}
        assert {name: mine[name] for name in wanted} == wanted
        assert mine["detection_bytes"] > 0
        assert await livetrap("streams", "list") == 0
        assert case.stream in capsys.readouterr().out
        assert await livetrap("streams", "describe", case.stream) == 0
        described = capsys.readouterr().out
        assert "140.000 MHz" in described
        assert "n_timesteps" in described


async def test_a_deleted_stream_leaves_its_ledger_and_the_other_streams(
    postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with associator(postgres_url) as case, associator(postgres_url) as neighbour:
        await observe(case)
        await observe(neighbour)
        before = await rows_of_stream(neighbour)
        assert await livetrap("streams", "delete", case.stream, "--yes") == 0
        assert "5 images, 3 sources" in capsys.readouterr().out
        assert set((await rows_of_stream(case)).values()) == {0}
        assert await rows_of_stream(neighbour) == before
        assert before["detection"] == 9
        assert sum((await case.outcomes()).values()) == 5
        # It may come again, under its name, from the place on Kafka where it is.
        await case.feed(image(50, PLACES))
        assert (await rows_of_stream(case))["source"] == 2


async def test_deleting_costs_no_more_for_every_measurement(postgres_url: str) -> None:
    """Dropped, not deleted: no row of the measurements is touched."""
    async with associator(postgres_url) as case:
        await observe(case)
        (partition,) = await case.rows(
            "select 'detection_s' || id as name from stream where name = $1", case.stream
        )
        assert await livetrap("streams", "delete", case.stream, "--yes") == 0
        (row,) = await case.rows("select to_regclass($1) as place", partition["name"])
        assert row["place"] is None


async def test_deleting_waits_for_the_associator(postgres_url: str) -> None:
    """A transaction that works on the stream is let finish first."""
    async with associator(postgres_url) as case:
        await observe(case)
        async with case.pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute("update stream set name = name where name = $1", case.stream)
            deletion = asyncio.create_task(livetrap("streams", "delete", case.stream, "--yes"))
            await _until_a_session_waits(postgres_url)
            assert not deletion.done()
            await transaction.commit()
        assert await deletion == 0
        assert (await rows_of_stream(case))["image"] == 0


async def _until_a_session_waits(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    try:
        deadline_s = time.monotonic() + 60
        while not await connection.fetchval("select count(*) from pg_locks where not granted"):
            assert time.monotonic() < deadline_s
            await asyncio.sleep(0.02)
    finally:
        await connection.close()


@pytest.mark.parametrize("command", ["describe", "delete", "export"])
def test_an_unknown_stream_is_named(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    extra = {"delete": ["--yes"], "export": ["--to", str(tmp_path)]}.get(command, [])
    assert run(["streams", command, "nobody", *extra]) == 2
    assert "no stream 'nobody'" in capsys.readouterr().err


@pytest.mark.parametrize("answer", ["n\n", ""])
async def test_without_confirmation_nothing_is_deleted(
    postgres_url: str, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    async with associator(postgres_url) as case:
        await case.feed(image(0, PLACES))
        assert await livetrap("streams", "delete", case.stream) == 1
        assert (await rows_of_stream(case))["image"] == 1


async def test_an_export_holds_what_the_database_holds(
    postgres_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new" / "export"
    async with associator(postgres_url) as case:
        await observe(case)
        assert await livetrap("streams", "export", case.stream, "--to", str(folder)) == 0
        tables: dict[str, Any] = {
            name: pq.read_table(folder / f"{name}.parquet").to_pydict() for name in TABLES
        }
        counts = await rows_of_stream(case)
        assert len(tables["detections"]["ra"]) == counts["detection"] == 9
        assert len(tables["images"]["image_key"]) == 5
        assert len(tables["transients"]["id"]) == 1
        assert tables["shared_detections"]["source_id"] == []
        found = {row["id"]: row for row in await case.sources()}
        for number, ra, eta in zip(
            *[tables["sources"][name] for name in ("id", "ra", "eta")], strict=True
        ):
            assert (ra, eta) == (found[number]["ra"], found[number]["eta"])
        grid = next(each for each in tables["images"]["rms_grid"] if each is not None)
        np.testing.assert_allclose(grid, 1e-3, rtol=1e-6)
        assert tables["images"]["time_start"][0].tzinfo is not None
        assert set(tables["detections"]["freq_eff_hz"]) == {140e6}
        # A second time it refuses, and says why.
        capsys.readouterr()
        assert await livetrap("streams", "export", case.stream, "--to", str(folder)) == 2
        assert "is there already" in capsys.readouterr().err
        assert not list(folder.glob("*.partial"))


async def test_old_months_are_dropped_and_the_statistics_stay(postgres_url: str) -> None:
    async with associator(postgres_url, detection_retention_days=5) as case:
        await case.feed(image(0, PLACES))
        await case.handler.expiry.drop_expired()
        assert (await rows_of_stream(case))["detection"] == 2
    async with associator(postgres_url, name=case.stream, detection_retention_days=5) as case:
        for step in (10, 36):
            await case.feed(image(step, PLACES))
        # The sixth of February, less five days: January is over.
        await case.handler.expiry.drop_expired()
        assert (await rows_of_stream(case))["detection"] == 2
        assert [row["n_datapoints"] for row in await case.sources()] == [3, 3]
        # An image from the month that is gone is late, and makes it anew.
        await case.feed(image(11, PLACES))
        assert (await rows_of_stream(case))["detection"] == 4


async def test_expired_months_are_looked_for_once_an_hour(postgres_url: str) -> None:
    async with associator(postgres_url, detection_retention_days=5) as case:
        await case.handler.expiry.drop_expired()
        for step in (0, 36):
            await case.feed(image(step, PLACES))
        await case.handler.expiry.drop_expired()
        assert (await rows_of_stream(case))["detection"] == 4


async def test_a_transaction_locks_the_partitions_of_hundreds_of_streams(
    postgres_url: str,
) -> None:
    connection = await asyncpg.connect(postgres_url)
    try:
        n = await connection.fetchval(
            "select count(*) from (select pg_advisory_xact_lock(each) "
            "from generate_series(1, 30000) as each) as taken"
        )
    finally:
        await connection.close()
    assert n == 30_000
