"""The handler: whatever breaks off, Kafka gets each alert once."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from rules.rulebook import RuleBook, load_rules, parse_rules
from runtime.errors import RejectedMessageError, TransientError
from runtime.settings import AlertSettings
from schemas.codec import encode_source_event
from schemas.messages import SourceEvent
from services.alert.handlers.transients import TransientHandler
from services.alert.models import LowWatermark, NewAlert, Standing, StoredAlert
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

    def step(self) -> None:
        self.fuse -= 1
        if self.fuse == 0:
            raise self.breaks_with("broken")


class FakeStore:
    def __init__(self, world: World) -> None:
        self.world = world

    async def add(
        self, event: SourceEvent, render: Callable[[Standing], NewAlert]
    ) -> tuple[StoredAlert, bool]:
        event_id, trig_id = event.event_id, event.trig_id
        self.world.step()
        if event_id in self.world.rows:
            return self.world.rows[event_id], False
        new = render(Standing(self.world.families[trig_id]))
        self.world.families[trig_id] += 1
        row = StoredAlert(
            len(self.world.rows), new.ivorn, new.trig_id, new.role, new.voevent, new.notice,
            None, is_published=False, is_broadcast=False, latency_s=new.latency_s,
        )  # fmt: skip
        self.world.rows[event_id] = row
        self.world.step()
        return row, True

    async def match_references(self, *_: object) -> dict[str, bool]:
        return {}

    async def list_unfinished(self) -> list[StoredAlert]:
        rows = self.world.rows.values()
        return [row for row in rows if not (row.is_published and row.is_broadcast)]

    async def save_low_watermark(self, alert: StoredAlert, mark: LowWatermark) -> StoredAlert:
        return self.change(alert, low_watermark=mark)

    async def mark_published(self, alert: StoredAlert) -> StoredAlert:
        return self.change(alert, is_published=True)

    async def mark_broadcast(self, alert: StoredAlert) -> StoredAlert:
        return self.change(alert, is_broadcast=True)

    def change(self, alert: StoredAlert, **changes: object) -> StoredAlert:
        self.world.step()
        (key,) = (key for key, row in self.world.rows.items() if row.id == alert.id)
        self.world.rows[key] = replace(self.world.rows[key], **changes)
        self.world.step()
        return self.world.rows[key]


class FakeSender:
    def __init__(self, world: World) -> None:
        self.world = world

    async def read_ends(self) -> LowWatermark:
        self.world.step()
        return {name: len(log) for name, log in self.world.kafka.items()}

    async def find_sent(self, ivorn: str, since: LowWatermark) -> frozenset[str]:
        self.world.step()
        return frozenset(
            name for name, log in self.world.kafka.items() if ivorn in log[since[name] :]
        )

    async def send(self, alert: StoredAlert, already: frozenset[str]) -> None:
        for name in set(TOPICS) - already:
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


async def test_an_event_becomes_one_alert_everywhere() -> None:
    world = World()
    handler = make_handler(world)
    for value in [*EVENTS, *EVENTS]:
        await handler.on_event(value)
    expected = [row.ivorn for row in world.rows.values()]
    assert len(expected) == len(EVENTS)
    assert world.kafka == dict.fromkeys(TOPICS, expected)
    assert len(world.heard) == len(EVENTS)


# Twelve steps an alert at most; three alerts and a recovery.
@pytest.mark.parametrize("fuse", range(1, 50))
async def test_a_crash_between_any_two_steps_loses_and_doubles_nothing(fuse: int) -> None:
    world = World(fuse)
    await run_and_restart(world, fuse_after=-1)
    check_each_once(world)


@pytest.mark.parametrize("fuse", range(1, 16))
@pytest.mark.parametrize("fuse_after", range(1, 14))
async def test_a_second_crash_during_the_recovery_neither(fuse: int, fuse_after: int) -> None:
    world = World(fuse)
    await run_and_restart(world, fuse_after=fuse_after)
    check_each_once(world)


async def run_and_restart(world: World, *, fuse_after: int) -> None:
    """Replay from the event that was not committed, as Kafka does, until all are done."""
    n_done = 0
    for _ in range(4):
        handler = make_handler(world)
        try:
            await handler.recover()
            while n_done < len(EVENTS):
                await handler.on_event(EVENTS[n_done])
                n_done += 1
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
    assert not unfinished(world)


def unfinished(world: World) -> list[StoredAlert]:
    return [row for row in world.rows.values() if not (row.is_published and row.is_broadcast)]


@pytest.mark.parametrize("fuse", range(1, 14))
async def test_a_hiccup_of_the_world_is_repeated_by_the_same_process(fuse: int) -> None:
    world = World(fuse, breaks_with=TransientError)
    handler = make_handler(world)
    for value in EVENTS:
        for _ in range(2):
            try:
                await handler.on_event(value)
            except TransientError:
                continue
            break
    check_each_once(world)


async def test_revisions_of_a_family_count_up() -> None:
    world = World()
    first = source_event()
    handler = make_handler(world)
    for number, kind in enumerate(["new_source", "variable"]):
        event = replace(first, event_id=f"{number:032x}", kind=kind, eta=9.0, v=1.0)
        await handler.on_event(encode_source_event(event))
    assert [row.ivorn[-2:] for row in world.rows.values()] == [".0", ".1"]


async def test_what_is_not_alerted_touches_nothing() -> None:
    world = World()
    rules = parse_rules("[[rule]]\nname = 'bright'\nwhen = 'snr > 30'", "test")
    await make_handler(world, rules=rules).on_event(EVENTS[0])
    assert not world.rows
    assert not world.heard


@pytest.mark.parametrize("value", [b"", b"garbage", EVENTS[0][:-3], EVENTS[0] + b"x"])
async def test_what_is_no_event_is_rejected(value: bytes) -> None:
    with pytest.raises(RejectedMessageError) as caught:
        await make_handler(World()).on_event(value)
    assert caught.value.reason_code == "bad_avro"


async def test_nowhere_is_rejected() -> None:
    with pytest.raises(RejectedMessageError) as caught:
        await make_handler(World()).on_event(encode_source_event(source_event(dec=91.0)))
    assert caught.value.reason_code == "bad_position"
