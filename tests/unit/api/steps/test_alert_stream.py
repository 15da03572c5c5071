"""The alert stream without a database: what starts a read, and what a client gets meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from api.steps import alert_stream
from api.steps.alert_filter import AlertFilter
from api.steps.alert_stream import AlertStream

TIME = datetime(2026, 11, 24, tzinfo=UTC)
FOREVER_S = 3600.0
EVERY_ALERT = AlertFilter()


def row(number: int, **values: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "id": number, "ivorn": f"ivo://a/b#c.{number}", "trig_id": "c", "revision": 0,
        "role": "test", "alert_type": "initial", "kind": "new_source", "state": "active",
        "stream": "night", "transient_id": 1, "source_id": 1, "ra": 0.1, "dec": 10.0, "snr": 12.0,
        "flux_peak_jy_beam": 0.01, "time_start": TIME, "time_alert": TIME, "latency_s": 0.3,
        "notice": "{}",
    }  # fmt: skip
    return fields | values


class Table:
    """Table `alert` in memory, with notifications; raises the errors put into `failures`."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.failures: list[Exception] = []
        self.n_failed = 0
        self.notified = asyncio.Event()
        self.is_notifying = True

    def insert(self, **values: Any) -> int:
        self.rows.append(row(len(self.rows) + 1, **values))
        if self.is_notifying:
            self.notified.set()
        return len(self.rows)

    async def listen(self, _: str, notified: asyncio.Event) -> None:
        self.notified = notified
        await asyncio.Event().wait()

    async def fetch(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        if self.failures:
            self.n_failed += 1
            raise self.failures.pop()
        if query == "get_last_alert_id":
            return [{"id": len(self.rows)}]
        after_id, limit = parameters["after_id"], parameters["limit"]
        return [dict(each) for each in self.rows if each["id"] > after_id][:limit]


@pytest.fixture
async def running(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Table, AlertStream]]:
    """Run a stream that neither polls nor retries by the clock."""
    monkeypatch.setattr(alert_stream, "_POLL_S", FOREVER_S)
    monkeypatch.setattr(alert_stream, "_RETRY_S", 0.0)
    table = Table()
    stream = AlertStream(table)  # type: ignore[arg-type]
    task = asyncio.create_task(stream.run())
    yield table, stream
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def open_stream(
    stream: AlertStream, wanted: AlertFilter = EVERY_ALERT, *, after_id: int | None = None
) -> AsyncIterator[bytes]:
    """Subscribe, and read the first event, which has no data."""
    events = await stream.subscribe(wanted, after_id=after_id)
    assert (await anext(events)).startswith(b"retry: 1000\nid: ")
    return events


async def next_ids(events: AsyncIterator[bytes], n: int) -> list[int]:
    async with asyncio.timeout(60):
        return [int((await anext(events)).split(b"\n")[0][4:]) for _ in range(n)]


async def test_a_notification_alone_sends_a_new_alert(running: tuple[Table, AlertStream]) -> None:
    table, stream = running
    table.insert()
    events = await open_stream(stream)
    await asyncio.sleep(0)  # the first read of the table, which none but the notification repeats
    table.insert()
    assert await next_ids(events, 1) == [2]


async def test_a_poll_alone_finds_an_alert_whose_notification_was_lost(
    running: tuple[Table, AlertStream], monkeypatch: pytest.MonkeyPatch
) -> None:
    table, stream = running
    monkeypatch.setattr(alert_stream, "_POLL_S", 0.01)
    table.notified.set()
    table.is_notifying = False
    events = await open_stream(stream)
    table.notified.set()
    table.insert()
    assert await next_ids(events, 1) == [1]


@pytest.mark.parametrize(
    "error", [OSError("gone"), asyncpg.PostgresError("x"), KeyError("defect")]
)
async def test_no_failure_ends_the_reading(
    running: tuple[Table, AlertStream], error: Exception
) -> None:
    table, stream = running
    events = await open_stream(stream, after_id=0)
    table.failures = [error]
    table.insert()
    async with asyncio.timeout(60):
        while table.n_failed == 0:
            table.notified.set()
            await asyncio.sleep(0)
    table.notified.set()
    assert await next_ids(events, 1) == [1]


async def test_a_client_far_behind_reads_the_table_and_waits_for_it(
    running: tuple[Table, AlertStream], monkeypatch: pytest.MonkeyPatch
) -> None:
    table, stream = running
    monkeypatch.setattr(alert_stream, "_BUFFERED_ALERTS", 2)
    current = await open_stream(stream)
    for _ in range(5):
        table.insert()
    assert await next_ids(current, 5) == [1, 2, 3, 4, 5]
    early = await open_stream(stream, after_id=0)
    table.failures = [OSError("gone"), OSError("gone")]
    assert await next_ids(early, 5) == [1, 2, 3, 4, 5]
    assert table.n_failed == 2


async def test_the_buffer_keeps_the_newest_alerts(
    running: tuple[Table, AlertStream], monkeypatch: pytest.MonkeyPatch
) -> None:
    table, stream = running
    monkeypatch.setattr(alert_stream, "_BUFFERED_ALERTS", 2)
    events = await open_stream(stream)
    for _ in range(5):
        table.insert()
    assert await next_ids(events, 5) == [1, 2, 3, 4, 5]
    assert [event.alert.id for event in stream._buffer] == [4, 5]
    assert await next_ids(await open_stream(stream, after_id=3), 2) == [4, 5]
    assert await next_ids(await open_stream(stream, after_id=1), 4) == [2, 3, 4, 5]


async def test_a_silent_stream_has_comments_and_moves_the_last_event_id(
    running: tuple[Table, AlertStream], monkeypatch: pytest.MonkeyPatch
) -> None:
    table, stream = running
    monkeypatch.setattr(alert_stream, "_KEEP_ALIVE_S", 0.01)
    events = await open_stream(stream, AlertFilter(min_snr=50.0))
    async with asyncio.timeout(60):
        assert await anext(events) == b": keep-alive\n\n"
        table.insert(snr=9.0)
        while (event := await anext(events)) == b": keep-alive\n\n":
            pass
        assert event == b"id: 1\n\n"
        assert await anext(events) == b": keep-alive\n\n"


async def test_stopping_ends_every_stream(running: tuple[Table, AlertStream]) -> None:
    table, stream = running
    waiting = await open_stream(stream)
    behind = await open_stream(stream, after_id=0)
    table.insert()
    table.insert()
    assert await next_ids(behind, 1) == [1]
    stream.stop()
    async with asyncio.timeout(60):
        assert [event async for event in behind] == []
        assert len([event async for event in waiting]) <= 1
    assert [event async for event in await stream.subscribe(EVERY_ALERT, after_id=0)] == [
        b"retry: 1000\nid: 0\n\n"
    ]
