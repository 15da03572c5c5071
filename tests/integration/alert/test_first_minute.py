"""The first minute of a stream: events of a batch before and after its first image."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from pydantic import SecretStr

from runtime.postgres import create_pool
from runtime.settings import PostgresSettings
from runtime.sql import Queries
from schemas.messages import SourceEvent
from services.alert.models import ContextRows
from services.alert.storage import AlertStore
from tests.support.api_rows import rows_of
from tests.support.vtp_events import source_event

FIRST_IMAGE = datetime(2026, 3, 4, 5, 6, 30, tzinfo=UTC)


@pytest.fixture
async def pool(postgres_url: str) -> AsyncIterator[asyncpg.Pool]:
    made = await create_pool(PostgresSettings(url=SecretStr(postgres_url)), service="test")
    yield made
    await made.close()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Return how often each statement is run from now on."""
    counter: Counter[str] = Counter()
    fetch = Queries.fetch

    async def count(self: Queries, connection: object, query: str, /, **values: object) -> object:
        counter[query] += 1
        return await fetch(self, connection, query, **values)  # type: ignore[arg-type]

    monkeypatch.setattr(Queries, "fetch", count)
    return counter


def events_at(stream: str, *offsets_s: float) -> list[SourceEvent]:
    return [
        replace(
            source_event(salt=str(offset_s), stream=stream),
            time_start=FIRST_IMAGE + timedelta(seconds=offset_s),
        )
        for offset_s in offsets_s
    ]


def is_counted(rows: list[ContextRows]) -> list[bool]:
    return [each.counts is not None for each in rows]


async def test_a_batch_of_a_stream_without_images_asks_for_false_alarms_twice(
    pool: asyncpg.Pool, asked: Counter[str]
) -> None:
    events = events_at("nothing observed", *(0.1 * number for number in range(50)))
    rows = await AlertStore(pool).read_contexts(events)
    assert not any(is_counted(rows))
    # Until the start of the minute, and until the latest exposure.
    assert asked["measure_search"] == 2


async def test_events_before_and_after_the_first_image_of_a_stream_are_told_apart(
    pool: asyncpg.Pool, postgres_url: str
) -> None:
    async with rows_of(postgres_url) as made:
        await made.image(0, time_start=FIRST_IMAGE)
        offsets_s = (5.0, -1.0, 0.0, -20.0, 20.0, -31.0, 40.0)
        found = await AlertStore(pool).read_contexts(events_at(made.stream, *offsets_s))
        assert is_counted(found) == [offset_s >= 0 for offset_s in offsets_s]
        one_by_one = [
            (await AlertStore(pool).read_contexts([each]))[0]
            for each in events_at(made.stream, *offsets_s)
        ]
        assert is_counted(one_by_one) == is_counted(found)
