"""The handler: whatever is interrupted, Kafka gets each alert once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from typing import Any

import pytest

from rules.rule_set import RuleSet, load_rules, parse_rules
from runtime.errors import FatalError, RejectedMessageError, TransientError
from runtime.settings import AlertSettings
from schemas.codec import encode_source_event
from schemas.messages import SourceEvent
from services.alert.handlers import transients
from services.alert.handlers.transients import TransientHandler
from services.alert.models import AlertHistory, ContextRows, LowWatermark, NewAlert, StoredAlert
from services.alert.steps.alert import build_alert
from tests.support.examples import every_fifth
from tests.support.vtp_events import source_event

RULES = load_rules(None)
TOPICS = ("voevent/0", "gcn/0")


class CrashedError(BaseException):
    """The process is gone."""


@dataclass
class Servers:
    """Database and Kafka, which outlive the process.

    `fuse` counts the steps until something breaks; each step breaks before it does anything
    or after it did everything.
    """

    fuse: int = -1
    breaks_with: type[BaseException] = CrashedError
    rows: dict[str, StoredAlert] = field(default_factory=dict)
    families: Counter[str] = field(default_factory=Counter)
    kafka: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in TOPICS})
    unstorable: set[str] = field(default_factory=set)
    # Trig ids whose storing fails with an unexpected exception, so many times.
    defects: Counter[str] = field(default_factory=Counter)
    # Whether another cluster has taken the port of Kafka.
    is_replaced: bool = False

    def step(self) -> None:
        self.fuse -= 1
        if self.fuse == 0:
            raise self.breaks_with("broken")


class FakeStore:
    def __init__(self, servers: Servers) -> None:
        self.servers = servers

    @asynccontextmanager
    async def transaction(self, _n_events: int) -> AsyncIterator["FakeTransaction"]:
        """Store all of it or nothing."""
        self.servers.step()
        transaction = FakeTransaction(
            self.servers, dict(self.servers.rows), self.servers.families.copy()
        )
        yield transaction
        for event_id, row in transaction.rows.items():
            self.servers.rows.setdefault(event_id, row)  # marked as published meanwhile
        self.servers.families = transaction.families
        self.servers.step()

    async def match_references(
        self, positions: Sequence[object], _: object
    ) -> list[dict[str, bool]]:
        return [{} for _ in positions]

    async def read_contexts(self, events: Sequence[SourceEvent]) -> list[ContextRows]:
        return [ContextRows() for _ in events]

    async def list_unpublished(self) -> list[StoredAlert]:
        return [row for row in self.servers.rows.values() if not row.is_published]

    async def mark_published(self, ids: Sequence[int], _time_published: datetime) -> None:
        self.servers.step()
        for key, row in self.servers.rows.items():
            if row.id in ids:
                self.servers.rows[key] = replace(row, is_published=True)
        self.servers.step()


@dataclass
class FakeTransaction:
    servers: Servers
    rows: dict[str, StoredAlert]
    families: Counter[str]

    async def find(self, event_id: str) -> StoredAlert | None:
        return self.rows.get(event_id)

    async def load_histories(self, events: Sequence[SourceEvent]) -> None:
        """Nothing to do: the histories are in memory."""

    async def count_event(self, _year: int) -> int:
        return len(self.families) + 1

    async def get_alert_history(self, event: SourceEvent) -> AlertHistory:
        return AlertHistory(self.families[event.trig_id])

    async def add(self, new: NewAlert, low_watermark: LowWatermark) -> StoredAlert:
        self.servers.step()
        if new.trig_id in self.servers.unstorable:
            raise RejectedMessageError("unstorable", "no column takes it")
        if self.servers.defects[new.trig_id] > 0:
            self.servers.defects[new.trig_id] -= 1
            raise ZeroDivisionError("a defect")
        self.families[new.trig_id] += 1
        row = StoredAlert(
            len(self.rows), new.ivorn, new.trig_id, new.role, new.voevent, new.notice,
            low_watermark, is_published=False, latency_s=new.latency_s, may_be_sent=False,
        )  # fmt: skip
        # Another process cannot know how far this one came.
        self.rows[new.event_id] = replace(row, may_be_sent=True)
        return row


class FakeSender:
    def __init__(self, servers: Servers) -> None:
        self.servers = servers
        self.ends = {name: len(log) for name, log in servers.kafka.items()}

    async def check_cluster(self) -> None:
        if self.servers.is_replaced:
            await asyncio.sleep(0)  # the answer comes while other things are read
            raise FatalError("another installation has taken the port")

    def known_ends(self) -> LowWatermark:
        return self.ends

    async def find_sent(self, alerts: Sequence[StoredAlert]) -> dict[str, set[str]]:
        self.servers.step()
        return {
            alert.ivorn: {
                name
                for name, log in self.servers.kafka.items()
                if alert.ivorn in log[alert.low_watermark[name] :]
            }
            for alert in alerts
        }

    async def send(
        self, alerts: Sequence[StoredAlert], already: Mapping[str, Collection[str]]
    ) -> None:
        for alert in alerts:
            for name in sorted(set(TOPICS) - set(already.get(alert.ivorn, ()))):
                self.servers.step()
                self.servers.kafka[name].append(alert.ivorn)
                self.servers.step()


def make_handler(servers: Servers, *, rules: RuleSet = RULES) -> TransientHandler:
    return TransientHandler(
        AlertSettings(authority="org.test"),
        rules=lambda: rules,
        store=FakeStore(servers),
        sender=FakeSender(servers),
    )  # type: ignore[arg-type]


EVENTS = [encode_source_event(source_event(number)) for number in range(3)]


@pytest.fixture(autouse=True, scope="module")
def cheap_packets() -> Iterator[None]:
    """Build the packet of an event once; each further one differs by a comment."""
    known: dict[tuple[SourceEvent, int], NewAlert] = {}
    numbers = count()

    def build(event: SourceEvent, *arguments: Any, revision: int, **given: Any) -> NewAlert:
        if (event, revision) not in known:
            known[event, revision] = build_alert(event, *arguments, revision=revision, **given)
        alert = known[event, revision]
        return replace(alert, voevent=alert.voevent + b"<!-- %d -->" % next(numbers))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transients, "build_alert", build)
        yield


@pytest.fixture(autouse=True, params=[1, 100])
def events_of_a_part(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decide about events while the alerts of those before are sent; and about all at once."""
    monkeypatch.setattr(transients, "_PART", request.param)


@pytest.mark.parametrize("size", [1, 2, 6])
async def test_an_event_becomes_one_alert_everywhere(size: int) -> None:
    servers = Servers()
    handler = make_handler(servers)
    values = [*EVENTS, *EVENTS]
    for first in range(0, len(values), size):
        assert await handler.on_events(values[first : first + size]) == [None] * size
    expected = [row.ivorn for row in servers.rows.values()]
    assert len(expected) == len(EVENTS)
    assert servers.kafka == dict.fromkeys(TOPICS, expected)


# At most twenty steps for three alerts, twice as many one by one; and a recovery.
@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("fuse", range(1, 46))
async def test_a_crash_between_any_two_steps_loses_and_doubles_nothing(
    fuse: int, size: int
) -> None:
    servers = Servers(fuse)
    await run_and_restart(servers, fuse_after=-1, size=size)
    check_each_once(servers)


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("fuse", range(1, 20))
async def test_a_second_crash_during_the_recovery_neither(fuse: int, size: int) -> None:
    for fuse_after in every_fifth(range(1, 20)):
        servers = Servers(fuse)
        await run_and_restart(servers, fuse_after=fuse_after, size=size)
        check_each_once(servers, f"again after {fuse_after} steps")


async def run_and_restart(servers: Servers, *, fuse_after: int, size: int) -> None:
    """Replay from the event that was not committed, as Kafka does, until all are done."""
    n_done = 0
    for _ in range(4):
        handler = make_handler(servers)
        try:
            await handler.recover()
            while n_done < len(EVENTS):
                await handler.on_events(EVENTS[n_done : n_done + size])
                n_done += size
        except CrashedError:
            servers.fuse, fuse_after = fuse_after, -1
        else:
            return
    raise AssertionError("never done")


def check_each_once(servers: Servers, crash: str = "") -> None:
    assert len(servers.rows) == len(EVENTS), crash
    expected = {row.ivorn: 1 for row in servers.rows.values()}
    assert all(Counter(log) == expected for log in servers.kafka.values()), crash
    assert all(row.is_published for row in servers.rows.values()), crash


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("fuse", range(1, 20))
async def test_an_attempt_during_an_outage_is_repeated_by_the_same_process(
    fuse: int, size: int
) -> None:
    servers = Servers(fuse, breaks_with=TransientError)
    handler = make_handler(servers)
    for first in range(0, len(EVENTS), size):
        for _ in range(2):
            try:
                await handler.on_events(EVENTS[first : first + size])
            except TransientError:
                continue
            break
    check_each_once(servers)


@pytest.mark.parametrize("size", [1, 3])
async def test_nothing_is_stored_or_sent_about_events_of_another_cluster(size: int) -> None:
    servers = Servers(is_replaced=True)
    with pytest.raises(FatalError, match="taken the port"):
        await make_handler(servers).on_events(EVENTS[:size])
    assert not servers.rows
    assert servers.kafka == {name: [] for name in TOPICS}


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


async def test_revisions_of_a_family_count_up() -> None:
    servers = Servers()
    first = source_event()
    events = [
        replace(first, event_id=f"{number:032x}", kind=kind, eta=9.0, v=1.0)
        for number, kind in enumerate(["new_source", "variable"])
    ]
    await make_handler(servers).on_events([encode_source_event(event) for event in events])
    assert [row.ivorn[-2:] for row in servers.rows.values()] == [".0", ".1"]


async def test_an_event_that_no_rule_wants_leaves_nothing() -> None:
    servers = Servers()
    rules = parse_rules("[[rule]]\nname = 'bright'\nwhen = 'snr > 30'", "test")
    assert await make_handler(servers, rules=rules).on_events(EVENTS[:1]) == [None]
    assert not servers.rows
    assert servers.kafka == {name: [] for name in TOPICS}


@pytest.mark.parametrize("value", [b"", b"garbage", EVENTS[0][:-3], EVENTS[0] + b"x"])
async def test_a_record_that_is_no_event_is_rejected_and_the_others_follow(value: bytes) -> None:
    servers = Servers()
    rejections = await make_handler(servers).on_events([EVENTS[0], value, EVENTS[1]])
    assert [each and each.reason_code for each in rejections] == [None, "bad_avro", None]
    assert len(servers.rows) == 2


async def test_an_event_without_a_position_is_rejected() -> None:
    values = [encode_source_event(source_event(dec=91.0))]
    (rejection,) = await make_handler(Servers()).on_events(values)
    assert rejection is not None
    assert rejection.reason_code == "bad_position"


async def test_an_event_that_the_database_rejects_does_not_affect_the_others() -> None:
    servers = Servers(unstorable={source_event(1).trig_id})
    rejections = await make_handler(servers).on_events(EVENTS)
    assert [each and each.reason_code for each in rejections] == [None, "unstorable", None]
    stored = [row.ivorn for row in servers.rows.values()]
    assert all(log == stored for log in servers.kafka.values())
    assert len(servers.rows) == 2


@pytest.mark.parametrize(
    ("n_failures", "reason"), [(1, None), (2, "internal_error"), (9, "internal_error")]
)
@pytest.mark.parametrize("size", [1, 3])
async def test_an_unexpected_exception_is_tried_once_more_and_then_ends_one_event(
    n_failures: int, reason: str | None, size: int
) -> None:
    servers = Servers(defects=Counter({source_event(1).trig_id: n_failures}))
    handler = make_handler(servers)
    rejections = []
    for first in range(0, len(EVENTS), size):
        rejections += await handler.on_events(EVENTS[first : first + size])
    assert [each and each.reason_code for each in rejections] == [None, reason, None]
    stored = [row.ivorn for row in servers.rows.values()]
    assert len(stored) == (3 if reason is None else 2)
    assert all(log == stored for log in servers.kafka.values())


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
