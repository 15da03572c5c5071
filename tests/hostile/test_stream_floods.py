"""Thousands of server-sent streams with filters, and streams that start at the first alert."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from api.models.base import Cone
from api.steps.alert_filter import AlertFilter
from api.steps.alert_stream import AlertStream, to_event

TIME = datetime(2026, 11, 24, tzinfo=UTC)
N_ALERTS = 3000
PAGE = 200
NOTHING = AlertFilter(kind="none of this kind")


class Alerts:
    """A table of alerts whose reads take some turns of the event loop."""

    def __init__(self) -> None:
        self.newest_id = N_ALERTS
        self.n_reads = self.n_at_once = self.most_at_once = 0
        self.notified = asyncio.Event()

    async def fetch(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        if query != "list_alerts_after":
            return [{"id": self.newest_id, "last_image_age_s": 3.5}]
        self.n_reads += 1
        self.n_at_once += 1
        self.most_at_once = max(self.most_at_once, self.n_at_once)
        for _ in range(5):
            await asyncio.sleep(0)
        self.n_at_once -= 1
        first = parameters["after_id"] + 1
        return [row(number) for number in range(first, self.newest_id + 1)][: parameters["limit"]]

    async def listen(self, _: str, notified: asyncio.Event) -> None:
        self.notified = notified
        await asyncio.Event().wait()


def row(number: int) -> dict[str, Any]:
    return {
        "id": number, "ivorn": f"ivo://a/b#c.{number}", "trig_id": "c", "revision": 0,
        "role": "test", "alert_type": "initial", "kind": "new_source", "state": "active",
        "stream": "night", "transient_id": 1, "source_id": 1, "ra": 0.1, "dec": 10.0, "snr": 12.0,
        "flux_peak_jy_beam": 0.01, "time_start": TIME, "time_alert": TIME, "latency_s": 0.3,
        "notice": "{}",
    }  # fmt: skip


@pytest.fixture
async def table() -> Alerts:
    return Alerts()


@pytest.fixture
async def stream(table: Alerts) -> AsyncIterator[AlertStream]:
    made = AlertStream(table)  # type: ignore[arg-type]
    task = asyncio.create_task(made.run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def take(events: AsyncIterator[bytes], n: int) -> list[bytes]:
    """Return the next alerts of a stream."""
    found: list[bytes] = []
    async with asyncio.timeout(120):
        while len(found) < n:
            if b"event: alert" in (event := await anext(events)):
                found.append(event)
    return found


async def follow(stream: AlertStream, wanted: AlertFilter, host: str) -> None:
    async for _ in await stream.subscribe(wanted, after_id=0, host=host):
        pass


@pytest.mark.parametrize("n_addresses", [1, 8])
async def test_streams_that_start_at_the_first_alert_delay_nobody_else_by_more_than_a_page_each(
    stream: AlertStream, table: Alerts, n_addresses: int
) -> None:
    flood = [
        asyncio.create_task(follow(stream, NOTHING, f"192.0.2.{number % n_addresses}"))
        for number in range(64 * n_addresses)
    ]
    while table.n_reads < 64:  # noqa: ASYNC110  (nothing reports it)
        await asyncio.sleep(0)
    before = table.n_reads
    honest = await stream.subscribe(AlertFilter(), after_id=0, host="198.51.100.1")
    assert len(await take(honest, N_ALERTS)) == N_ALERTS
    n_own = N_ALERTS // PAGE
    assert table.n_reads - before <= (n_addresses + 2) * (n_own + 2)
    assert table.most_at_once <= 3  # with the reader of what is new
    for task in flood:
        task.cancel()
    await asyncio.gather(*flood, return_exceptions=True)


async def test_an_alert_that_nobody_wants_is_not_encoded(stream: AlertStream) -> None:
    events = await stream.subscribe(NOTHING, after_id=0)
    await anext(events)
    event = to_event(**row(7))
    assert not NOTHING.passes(event.alert)
    assert "text" not in vars(event)
    assert b"id: 7\n" in event.text
    assert "text" in vars(event)


class CountedAlert:
    """An alert that counts how often its id is looked at."""

    n_looks = 0

    def __init__(self, number: int) -> None:
        self._number = number

    @property
    def id(self) -> int:
        CountedAlert.n_looks += 1
        return self._number


async def test_a_stream_that_is_up_to_date_looks_at_what_is_new_and_not_at_what_it_has() -> None:
    stream = AlertStream(Alerts())  # type: ignore[arg-type]
    for number in range(1, 1001):
        event = to_event(**row(number))
        event.alert = CountedAlert(number)  # type: ignore[assignment]
        stream._buffer.append(event)
    stream._buffer_start = 0
    CountedAlert.n_looks = 0
    for _ in range(1000):
        assert await stream._read(1000, "192.0.2.1") == []
    (newest,) = await stream._read(999, "192.0.2.1")
    assert newest.alert.id == 1000
    assert CountedAlert.n_looks < 3000


async def test_filters_by_a_cone_pass_the_same_alerts_at_the_pole_and_at_0h() -> None:
    for ra, dec in ((0.0, 0.0), (359.9999, 45.0), (12.0, 90.0), (200.0, -89.99)):
        alert = to_event(**(row(1) | {"ra": ra, "dec": dec})).alert
        assert AlertFilter(cone=Cone(ra, dec, 1e-9)).passes(alert)
        assert not AlertFilter(cone=Cone(ra, max(dec - 1.0, -90.0) + 2e-2, 1e-3)).passes(alert)
