"""The handler: what goes on at the same time, and what waits."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from runtime.errors import TransientError
from schemas.messages import SourceEvent
from services.alert.handlers import transients
from services.alert.models import ContextRows, StoredAlert
from tests.support.alert_handler import (
    EVENTS,
    TOPICS,
    FakeSender,
    FakeStore,
    FakeTransaction,
    Servers,
    check_each_once,
    make_handler,
)

pytestmark = pytest.mark.usefixtures("cheap_packets", "events_of_a_part")


async def test_contexts_are_read_while_it_is_asked_which_cluster_this_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    is_read = asyncio.Event()

    async def read(_: FakeStore, events: Sequence[SourceEvent]) -> list[ContextRows]:
        is_read.set()
        return [ContextRows() for _ in events]

    async def answer(_: FakeSender) -> None:
        await is_read.wait()

    monkeypatch.setattr(FakeStore, "read_contexts", read)
    monkeypatch.setattr(FakeSender, "check_cluster", answer)
    async with asyncio.timeout(60):
        await make_handler(Servers()).on_events(EVENTS)


async def test_other_tasks_have_their_turn_between_the_events_of_a_batch() -> None:
    n_turns = 0

    async def count_turns() -> None:
        nonlocal n_turns
        while True:
            await asyncio.sleep(0)
            n_turns += 1

    other = asyncio.create_task(count_turns())
    await make_handler(Servers()).on_events(EVENTS)
    other.cancel()
    assert n_turns >= len(EVENTS)


async def test_alerts_are_sent_while_the_next_events_are_decided_about(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transients, "_PART", 1)
    servers = Servers()
    handler = make_handler(servers)
    is_second_stored = asyncio.Event()
    send, add = FakeSender.send, FakeTransaction.add

    async def send_late(self: FakeSender, alerts: Sequence[StoredAlert], already: Any) -> None:
        await is_second_stored.wait()
        await send(self, alerts, already)

    async def add_and_tell(self: FakeTransaction, *arguments: Any) -> StoredAlert:
        row = await add(self, *arguments)
        if len(self.rows) == 2:
            is_second_stored.set()
        return row

    monkeypatch.setattr(FakeSender, "send", send_late)
    monkeypatch.setattr(FakeTransaction, "add", add_and_tell)
    assert await asyncio.wait_for(handler.on_events(EVENTS), 30) == [None] * len(EVENTS)
    expected = [row.ivorn for row in servers.rows.values()]
    assert servers.kafka == dict.fromkeys(TOPICS, expected)


async def test_a_repetition_waits_for_what_is_being_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transients, "_PART", 1)
    servers = Servers()
    handler = make_handler(servers)
    is_broken, is_sent = asyncio.Event(), False
    send, read_contexts = FakeSender.send, FakeStore.read_contexts

    async def send_slowly(self: FakeSender, alerts: Sequence[StoredAlert], already: Any) -> None:
        nonlocal is_sent
        await is_broken.wait()
        await asyncio.sleep(0)
        await send(self, alerts, already)
        is_sent = True

    async def break_at_the_second(self: FakeStore, events: Sequence[SourceEvent]) -> Any:
        if servers.rows and not is_broken.is_set():
            is_broken.set()
            raise TransientError("the database is away")
        return await read_contexts(self, events)

    monkeypatch.setattr(FakeSender, "send", send_slowly)
    monkeypatch.setattr(FakeStore, "read_contexts", break_at_the_second)
    with pytest.raises(TransientError, match="away"):
        await handler.on_events(EVENTS)
    assert is_sent
    await handler.on_events(EVENTS)
    check_each_once(servers)
