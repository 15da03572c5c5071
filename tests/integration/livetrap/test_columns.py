"""Every value that a command stores is found again under its own name; no two are alike."""

import asyncio
import json
from typing import Any

import asyncpg
import numpy as np
import pytest

from livetrap.operator.reference_catalogues import ReferenceSources, load_catalogue
from livetrap.operator.subscribers import enable_subscriber
from livetrap.operator.suppressed_events import release
from runtime.errors import SettingsError
from runtime.settings import Settings
from schemas.codec import decode_source_event
from schemas.event_json import event_to_json
from services.alert.storage import AlertStore
from tests.support.vtp_events import source_event


@pytest.fixture
def settings(postgres_url: str) -> Settings:
    return Settings.model_validate({"postgres": {"url": postgres_url}})


async def fetch_all(pool: asyncpg.Pool, table: str) -> list[dict[str, Any]]:
    rows = await pool.fetch(f"select * from {table} order by 1, 2")  # noqa: S608  (of this file)
    return [dict(row) for row in rows]


async def test_every_column_of_a_reference_catalogue(
    pool: asyncpg.Pool, settings: Settings
) -> None:
    sources = ReferenceSources(
        np.array([200.0, 210.0, 220.0]), np.array([1.2, 40.1, -0.3]), ["a", None, "c"],
        np.array([0.5, 0.25, np.nan]),
    )  # fmt: skip
    assert await asyncio.to_thread(load_catalogue, settings, "a name", sources) == 3
    (catalogue,) = await fetch_all(pool, "reference_catalogue")
    assert (catalogue["name"], catalogue["n_sources"]) == ("a name", 3)
    rows = await fetch_all(pool, "reference_source")
    assert {row["catalogue_id"] for row in rows} == {catalogue["id"]}
    names = ("zone", "ra", "dec", "source_name", "flux_jy")
    assert {tuple(row[name] for name in names) for row in rows} == {
        (2, 200.0, 1.2, "a", 0.5), (80, 210.0, 40.1, None, 0.25), (-1, 220.0, -0.3, "c", None)
    }  # fmt: skip


async def test_every_parameter_of_an_enabled_subscriber(
    pool: asyncpg.Pool, settings: Settings
) -> None:
    await pool.execute(
        "insert into subscriber "
        "(channel, name, since_alert_id, n_failures, n_refusals, disabled_reason) values "
        "('email', 'webhook', 1, 2, 5, 'a reason'), ('webhook', 'email', 3, 4, 6, 'another')"
    )
    await asyncio.to_thread(enable_subscriber, settings, "webhook", "email")
    other, enabled = await fetch_all(pool, "subscriber")
    names = ("n_failures", "n_refusals", "disabled_reason")
    assert [other[name] for name in names] == [2, 5, "a reason"]
    assert [enabled[name] for name in names] == [0, 0, None]
    with pytest.raises(SettingsError, match="no vtp subscriber"):
        await asyncio.to_thread(enable_subscriber, settings, "vtp", "webhook")


async def test_every_column_of_a_released_event(pool: asyncpg.Pool, settings: Settings) -> None:
    events = [source_event(number, stream=f"stream {number}") for number in range(3)]
    async with AlertStore(pool).transaction() as transaction:
        for event in events:
            await transaction.suppress(event, storm="a storm", reason="a reason")
    first, second, third = events
    for name, image_id, event in (
        (first.event_id, None, first),
        (second.trig_id, None, second),
        (None, third.image_id, third),
    ):
        call = lambda name=name, image_id=image_id: release(  # noqa: E731  (bound in a loop)
            settings, name=name, image_id=image_id
        )
        assert await asyncio.to_thread(call) == [event.event_id]
    rows = await fetch_all(pool, "outbox")
    assert [row["topic"] for row in rows] == ["transients-v1"] * 3
    assert [row["key"] for row in rows] == ["stream 0", "stream 1", "stream 2"]
    sent = [event_to_json(decode_source_event(row["value"])) for row in rows]
    assert [json.loads(each) for each in sent] == [
        json.loads(event_to_json(event)) for event in events
    ]
