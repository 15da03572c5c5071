"""Every value that is stored is found again under its own name; no two values are alike."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import asyncpg
import numpy as np
import pytest

from schemas.messages import ImageMetadata, SourceColumns, StageTimes
from services.associate.models.catalogue import CHANGE_STATE_BYTES, STATISTICS_DTYPE
from services.associate.models.decisions import StatisticsRows, TransientRow
from services.associate.storage import Catalogue
from tests.support.association import Associator, associator
from tests.support.records import START, image, sources

PLACE = (123.0, 10.0)


def distinct(names: Iterable[str], first: float = 1.0) -> dict[str, float]:
    """Return a value for each name, no two alike."""
    return {name: first + number / 64 for number, name in enumerate(names)}


@asynccontextmanager
async def one_source(url: str) -> AsyncIterator[tuple[Associator, dict[str, Any]]]:
    """Give a catalogue with one source, and its row."""
    async with associator(url) as case:
        await case.feed(image(0, [PLACE]))
        (source,) = await case.sources()
        yield case, source


async def fetch_one(case: Associator, query: str, *parameters: object) -> dict[str, Any]:
    (row,) = await case.rows(query, *parameters)
    return row


async def test_every_column_of_a_detection(postgres_url: str) -> None:
    names = [each.name for each in fields(SourceColumns)]
    values = distinct(names) | {"ra": PLACE[0], "dec": PLACE[1], "quality_flags": 5}
    values |= {"p_false": 0.25}
    columns = {
        name: np.array([value], np.int64 if name == "quality_flags" else np.float64)
        for name, value in values.items()
    }
    async with associator(postgres_url) as case:
        await case.feed(image(0, SourceColumns(**columns)))
        source = (await case.sources())[0]["id"]
        row = await fetch_one(case, "select * from detection where source_id = $1", source)
    assert {name: row[name] for name in names} == values
    assert len(set(values.values())) == len(values)


async def test_every_column_of_an_image(postgres_url: str) -> None:
    record = image(0, salt="of this test")
    assert record.metadata is not None
    floats = ["exposure_s", "freq_bw_hz", "beam_minor_deg", "beam_pa_deg", "field_radius_deg"]
    metadata = replace(
        record.metadata,
        **distinct(floats),
        beam_major_deg=9.0,
        field_dec=8.5,
        width_px=1801,
        telescope="WSRT",
    )
    times = StageTimes(
        time_sent=START - timedelta(seconds=3),
        time_appended=START - timedelta(seconds=2),
        time_extracted=START - timedelta(seconds=1),
    )
    record = replace(
        record, metadata=metadata, times=times, margin_px=13, detection_threshold_sigma=7.5,
        reason_text="why not", reasons=("a", "b"),
    )  # fmt: skip
    async with associator(postgres_url) as case:
        await case.feed(record)
        row = await fetch_one(case, "select * from image where image_id = $1", record.image_id)
    assert {each.name: row[each.name] for each in fields(ImageMetadata)} == {
        each.name: getattr(metadata, each.name) for each in fields(ImageMetadata)
    }
    for name in ("margin_px", "rms_jy_beam", "detection_threshold_sigma", "reason_text"):
        assert row[name] == getattr(record, name)
    assert row["reasons"] == ["a", "b"]
    assert (row["rms_grid_cell_px"], row["rms_grid_columns"]) == (450, 4)
    for name in ("time_sent", "time_appended", "time_extracted"):
        assert row[name] == getattr(times, name)
    assert (row["kafka_topic"], row["kafka_partition"]) == ("images-v1", 0)
    assert row["kafka_cluster_id"] == case.stream


@pytest.mark.parametrize("is_stored", [False, True])
async def test_every_column_of_the_statistics(postgres_url: str, is_stored: bool) -> None:  # noqa: FBT001  (a parameter of the test)
    async with one_source(postgres_url) as (case, source):
        band_id = (await case.light_curves())[0]["band_id"]
        stokes = "I" if is_stored else "Q"
        values: dict[str, Any] = distinct(STATISTICS_DTYPE.names or ()) | {
            "source_id": source["id"], "n_datapoints": 77, "n_forced": 5,
            "change_state": bytes(range(CHANGE_STATE_BYTES)),
        }  # fmt: skip
        table = np.zeros(1, STATISTICS_DTYPE)
        for name, value in values.items():
            table[name] = value
        if is_stored:  # a timestep leaves the forced points of a known channel as they are
            before = (await case.light_curves())[0]
            values |= {name: before[name] for name in values if "forced" in name}
        rows = StatisticsRows((band_id, stokes), table, np.array([is_stored]))
        async with case.pool.acquire() as connection:
            catalogue = Catalogue(connection)
            await catalogue.write_statistics([rows])
            loaded = await catalogue.load_statistics([source["id"]])
        row = await fetch_one(
            case, "select * from source_band where source_id = $1 and stokes = $2",
            source["id"], stokes,
        )  # fmt: skip
    assert {name: row[name] for name in values} == values
    for name, value in values.items():
        table[name] = value
    assert loaded[band_id, stokes] == table


async def test_every_column_of_a_source(postgres_url: str) -> None:
    async with one_source(postgres_url) as (case, source):
        floats = ["ra", "dec", "weight_ra", "weight_dec", "eta", "v", "search_ra", "search_dec"]
        values = distinct(floats) | {"id": source["id"], "n_datapoints": 77, "zone": 19}
        columns = {name: np.array([value]) for name, value in values.items()}
        flags = {
            "is_new": False, "is_variable": True, "activity": -1, "n_quiet": 3,
            "n_quiet_needed": 64, "n_episodes": 7,
        }  # fmt: skip
        later = START + timedelta(days=9)
        moved = {"id", "search_ra", "search_dec", "zone"}
        async with case.pool.acquire() as connection:
            catalogue = Catalogue(connection)
            await catalogue.update_sources(
                {name: each for name, each in columns.items() if name not in moved - {"id"}},
                later,
            )
            await catalogue.move_sources({name: columns[name] for name in moved})
            await catalogue.flag_sources(
                {"id": columns["id"]} | {name: np.array([value]) for name, value in flags.items()}
            )
        (row,) = await case.sources()
    assert {name: row[name] for name in values} == values
    assert row["last_time_start"] == later
    assert {name: row[name] for name in flags} == flags


async def test_every_column_of_a_transient(postgres_url: str) -> None:
    async with one_source(postgres_url) as (case, source):
        floats = [each.name for each in fields(TransientRow) if each.type in (float, float | None)]
        row = TransientRow(
            event_id=f"event {case.stream}",
            trig_id=f"family {case.stream}",
            source_id=source["id"],
            stream_id=source["stream_id"],
            kind="new_source",
            certainty="possible",
            image_key=source["first_image_key"],
            source_number=6,
            time_start=START,
            time_detected=START + timedelta(days=1),
            last_notified_n_bands=3,
            episode=4,
            trigger="window:8",
            **distinct(floats),
        )
        async with case.pool.acquire() as connection:
            ids = await Catalogue(connection).insert_transients([row])
        stored = await fetch_one(case, "select * from transient where id = $1", ids[row.event_id])
    assert len(floats) == 14
    assert {each.name: stored[each.name] for each in fields(row)} == {
        each.name: getattr(row, each.name) for each in fields(row)
    }


async def test_every_column_of_an_update(postgres_url: str) -> None:
    async with associator(postgres_url, update_snr_factor=1.1) as case:
        await case.feed(image(0))
        await case.feed(image(1, sources([PLACE], flux_jy=0.02)))
        await case.feed(image(2, sources([PLACE], flux_jy=0.04)))
        _, event = case.events
        stored = await fetch_one(case, "select * from transient where id = $1", event.transient_id)
    reported = ("snr", "n_bands", "time_start", "ra", "dec", "ra_err_deg", "dec_err_deg")
    assert {name: stored[f"last_notified_{name}"] for name in reported} == {
        name: getattr(event, name) for name in reported
    }
    assert stored["n_updates"] == 1


async def test_a_swapped_column_is_not_taken_for_its_neighbour(postgres_url: str) -> None:
    """Columns travel by name: their order does not matter, a wrong name is refused."""
    async with one_source(postgres_url) as (case, source):
        columns = {
            "v": np.array([0.25]), "eta": np.array([0.75]), "weight_dec": np.array([2.0]),
            "weight_ra": np.array([1.0]), "n_datapoints": np.array([1]), "dec": np.array([20.0]),
            "ra": np.array([10.0]), "id": np.array([source["id"]]),
        }  # fmt: skip
        async with case.pool.acquire() as connection:
            catalogue = Catalogue(connection)
            await catalogue.update_sources(columns, START)
            wrong = {("decl" if name == "dec" else name): each for name, each in columns.items()}
            with pytest.raises(TypeError, match="decl"):
                await catalogue.update_sources(wrong, START)
            with pytest.raises(asyncpg.UndefinedColumnError, match="decl"):
                await catalogue.insert_sources([wrong])
        (row,) = await case.sources()
    assert (row["ra"], row["dec"], row["eta"], row["v"]) == (10.0, 20.0, 0.75, 0.25)
