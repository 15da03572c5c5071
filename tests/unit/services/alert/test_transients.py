"""The handler: whatever breaks off, Kafka gets each alert once."""

from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from typing import Any

import pytest

from rules.rulebook import RuleBook, load_rules, parse_rules
from runtime.errors import RejectedMessageError, TransientError
from runtime.settings import AlertSettings
from schemas.codec import encode_source_event
from schemas.messages import SourceEvent
from services.alert.handlers import transients
from services.alert.handlers.transients import TransientHandler
from services.alert.models import AlertHistory, LowWatermark, NewAlert, StoredAlert
from services.alert.steps.alert import build_alert
from tests.support.vtp_events import source_event

RULES = load_rules(None)
TOPICS = ("voevent/0", "gcn/0")


class CrashedError(BaseException):
    """The process is gone."""


@dataclass
class World:
    """Database, Kafka and subscribers, which outlive the process.

    `fuse` counts the steps until something breaks; each step breaks before it does anything
    or after it did everything.
    """

    fuse: int = -1
    breaks_with: type[BaseException] = CrashedError
    rows: dict[str, StoredAlert] = field(default_factory=dict)
    families: Counter[str] = field(default_factory=Counter)
    kafka: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in TOPICS})
    heard: list[bytes] = field(default_factory=list)
    unstorable: set[str] = field(default_factory=set)

    def step(self) -> None:
        self.fuse -= 1
        if self.fuse == 0:
            raise self.breaks_with("broken")


class FakeStore:
    def __init__(self, world: World) -> None:
        self.world = world

    @asynccontextmanager
    async def transaction(self, _event_ids: Sequence[str]) -> AsyncIterator["FakeBook"]:
        """Keep all of it or nothing."""
        self.world.step()
        book = FakeBook(self.world, dict(self.world.rows), self.world.families.copy())
        yield book
        self.world.rows, self.world.families = book.rows, book.families
        self.world.step()

    async def match_references(self, places: Sequence[object], _: object) -> list[dict[str, bool]]:
        return [{} for _ in places]

    async def list_unfinished(self) -> list[StoredAlert]:
        return [row for row in self.world.rows.values() if not row.is_done]

    async def mark_sent(self, ids: Sequence[int], _time_published: datetime) -> None:
        self.world.step()
        for key, row in self.world.rows.items():
            if row.id in ids:
                self.world.rows[key] = replace(row, is_published=True, is_broadcast=True)
        self.world.step()


@dataclass
class FakeBook:
    world: World
    rows: dict[str, StoredAlert]
    families: Counter[str]

    async def find(self, event_id: str) -> StoredAlert | None:
        return self.rows.get(event_id)

    async def get_alert_history(self, event: SourceEvent) -> AlertHistory:
        return AlertHistory(self.families[event.trig_id])

    async def add(self, new: NewAlert, mark: LowWatermark) -> StoredAlert:
        self.world.step()
        if new.trig_id in self.world.unstorable:
            raise RejectedMessageError("unstorable", "no column takes it")
        self.families[new.trig_id] += 1
        row = StoredAlert(
            len(self.rows), new.ivorn, new.trig_id, new.role, new.voevent, new.notice, mark,
            is_published=False, is_broadcast=False, latency_s=new.latency_s, may_be_sent=False,
        )  # fmt: skip
        # Who reads it later cannot know how far its writer came.
        self.rows[new.event_id] = replace(row, may_be_sent=True)
        return row


class FakeSender:
    def __init__(self, world: World) -> None:
        self.world = world
        self.ends = {name: len(log) for name, log in world.kafka.items()}

    def known_ends(self) -> LowWatermark:
        return self.ends

    async def find_sent(self, alerts: Sequence[StoredAlert]) -> dict[str, set[str]]:
        self.world.step()
        return {
            alert.ivorn: {
                name
                for name, log in self.world.kafka.items()
                if alert.ivorn in log[alert.low_watermark[name] :]
            }
            for alert in alerts
        }

    async def send(
        self, alerts: Sequence[StoredAlert], already: Mapping[str, Collection[str]]
    ) -> None:
        for alert in alerts:
            for name in sorted(set(TOPICS) - set(already.get(alert.ivorn, ()))):
                self.world.step()
                self.world.kafka[name].append(alert.ivorn)
                self.world.step()


def make_handler(world: World, *, rules: RuleBook = RULES) -> TransientHandler:
    def broadcast(packet: bytes) -> int:
        world.step()
        world.heard.append(packet)
        return 1

    return TransientHandler(
        AlertSettings(authority="org.test"),
        rules=lambda: rules,
        store=FakeStore(world),
        sender=FakeSender(world),
        broadcast=broadcast,
    )  # type: ignore[arg-type]


EVENTS = [encode_source_event(source_event(number)) for number in range(3)]


@pytest.fixture(autouse=True, scope="module")
def cheap_packets() -> Iterator[None]:
    """Build the packet of an event once; each further one differs by a comment."""
    known: dict[tuple[SourceEvent, int], NewAlert] = {}
    numbers = count()

    def build(event: SourceEvent, *arguments: Any, revision: int) -> NewAlert:
        if (event, revision) not in known:
            known[event, revision] = build_alert(event, *arguments, revision=revision)
        alert = known[event, revision]
        return replace(alert, voevent=alert.voevent + b"<!-- %d -->" % next(numbers))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transients, "build_alert", build)
        yield


@pytest.mark.parametrize("size", [1, 2, 6])
async def test_an_event_becomes_one_alert_everywhere(size: int) -> None:
    world = World()
    handler = make_handler(world)
    values = [*EVENTS, *EVENTS]
    for first in range(0, len(values), size):
        assert await handler.on_events(values[first : first + size]) == [None] * size
    expected = [row.ivorn for row in world.rows.values()]
    assert len(expected) == len(EVENTS)
    assert world.kafka == dict.fromkeys(TOPICS, expected)
    assert len(world.heard) == len(EVENTS)


# Twenty steps for three alerts at most, twice as many one by one; and a recovery.
@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("fuse", range(1, 46))
async def test_a_crash_between_any_two_steps_loses_and_doubles_nothing(
    fuse: int, size: int
) -> None:
    world = World(fuse)
    await run_and_restart(world, fuse_after=-1, size=size)
    check_each_once(world)


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("fuse", range(1, 20))
async def test_a_second_crash_during_the_recovery_neither(
    fuse: int, size: int, subtests: pytest.Subtests
) -> None:
    for fuse_after in range(1, 20):
        with subtests.test(fuse_after=fuse_after):
            world = World(fuse)
            await run_and_restart(world, fuse_after=fuse_after, size=size)
            check_each_once(world)


async def run_and_restart(world: World, *, fuse_after: int, size: int) -> None:
    """Replay from the event that was not committed, as Kafka does, until all are done."""
    n_done = 0
    for _ in range(4):
        handler = make_handler(world)
        try:
            await handler.recover()
            while n_done < len(EVENTS):
                await handler.on_events(EVENTS[n_done : n_done + size])
                n_done += size
        except CrashedError:
            world.fuse, fuse_after = fuse_after, -1
        else:
            return
    raise AssertionError("never done")


def check_each_once(world: World) -> None:
    assert len(world.rows) == len(EVENTS)
    expected = {row.ivorn: 1 for row in world.rows.values()}
    assert all(Counter(log) == expected for log in world.kafka.values())
    assert {row.voevent for row in world.rows.values()} == set(world.heard)
    assert all(row.is_done for row in world.rows.values())


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("fuse", range(1, 20))
async def test_a_hiccup_of_the_world_is_repeated_by_the_same_process(fuse: int, size: int) -> None:
    world = World(fuse, breaks_with=TransientError)
    handler = make_handler(world)
    for first in range(0, len(EVENTS), size):
        for _ in range(2):
            try:
                await handler.on_events(EVENTS[first : first + size])
            except TransientError:
                continue
            break
    check_each_once(world)


async def test_revisions_of_a_family_count_up() -> None:
    world = World()
    first = source_event()
    events = [
        replace(first, event_id=f"{number:032x}", kind=kind, eta=9.0, v=1.0)
        for number, kind in enumerate(["new_source", "variable"])
    ]
    await make_handler(world).on_events([encode_source_event(event) for event in events])
    assert [row.ivorn[-2:] for row in world.rows.values()] == [".0", ".1"]


async def test_what_is_not_alerted_touches_nothing() -> None:
    world = World()
    rules = parse_rules("[[rule]]\nname = 'bright'\nwhen = 'snr > 30'", "test")
    assert await make_handler(world, rules=rules).on_events(EVENTS[:1]) == [None]
    assert not world.rows
    assert not world.heard


@pytest.mark.parametrize("value", [b"", b"garbage", EVENTS[0][:-3], EVENTS[0] + b"x"])
async def test_what_is_no_event_is_rejected_and_the_others_go_on(value: bytes) -> None:
    world = World()
    refusals = await make_handler(world).on_events([EVENTS[0], value, EVENTS[1]])
    assert [each and each.reason_code for each in refusals] == [None, "bad_avro", None]
    assert len(world.rows) == 2


async def test_nowhere_is_rejected() -> None:
    values = [encode_source_event(source_event(dec=91.0))]
    (refusal,) = await make_handler(World()).on_events(values)
    assert refusal is not None
    assert refusal.reason_code == "bad_position"


async def test_what_the_database_refuses_takes_nothing_else_along() -> None:
    world = World(unstorable={source_event(1).trig_id})
    refusals = await make_handler(world).on_events(EVENTS)
    assert [each and each.reason_code for each in refusals] == [None, "unstorable", None]
    stored = [row.ivorn for row in world.rows.values()]
    assert all(log == stored for log in world.kafka.values())
    assert len(world.rows) == 2
