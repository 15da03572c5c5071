"""A handler of events between a database and a Kafka that break where a test says so."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from rules.rule_set import RuleSet, load_rules
from runtime.errors import FatalError, RejectedMessageError
from runtime.settings import AlertSettings
from schemas.codec import encode_source_event
from schemas.messages import SourceEvent
from services.alert.handlers.transients import TransientHandler
from services.alert.models import AlertHistory, ContextRows, LowWatermark, NewAlert, StoredAlert
from tests.support.vtp_events import source_event

__all__ = [
    "EVENTS",
    "TOPICS",
    "CrashedError",
    "FakeSender",
    "FakeStore",
    "FakeTransaction",
    "Servers",
    "check_each_once",
    "make_handler",
]

RULES = load_rules(None)
TOPICS = ("voevent/0", "gcn/0")
EVENTS = [encode_source_event(source_event(number)) for number in range(3)]


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


def check_each_once(servers: Servers, crash: str = "") -> None:
    assert len(servers.rows) == len(EVENTS), crash
    expected = {row.ivorn: 1 for row in servers.rows.values()}
    assert all(Counter(log) == expected for log in servers.kafka.values()), crash
    assert all(row.is_published for row in servers.rows.values()), crash
