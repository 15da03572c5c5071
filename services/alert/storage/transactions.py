"""Alerts read and stored in one transaction: a statement for many events of it, not for each."""

import asyncio
from bisect import bisect_right, insort
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import orjson

from runtime.errors import TransientError
from runtime.sql import Queries
from schemas.event_json import event_to_json
from schemas.messages import SourceEvent
from services.alert.models import (
    AlertHistory,
    FirstAlert,
    LowWatermark,
    NewAlert,
    StoredAlert,
)

__all__ = ["AlertTransaction", "to_stored"]

_QUERIES = Queries("services.alert")
_COLUMNS = tuple(column.name for column in fields(NewAlert))
_MINUTE = timedelta(minutes=1)
_FIRST = (
    "time_start", "freq_mhz", "stokes", "flux_jy_beam", "flux_err_jy_beam", "expected_jy_beam",
    "expected_err_jy_beam",
)  # fmt: skip
# Alerts that are inserted while the next ones are built.
_AT_ONCE = 25


@dataclass(slots=True)
class _Added:
    """Alerts that a transaction has stored or will store at its end."""

    by_family: defaultdict[str, list[NewAlert]] = field(default_factory=lambda: defaultdict(list))
    first_of_family: dict[str, str] = field(default_factory=dict)  # ivorns, in their order
    n_of_image: Counter[str] = field(default_factory=Counter)
    times_of_stream: defaultdict[str, list[datetime]] = field(  # ascending
        default_factory=lambda: defaultdict(list)
    )

    def add(self, alert: NewAlert) -> None:
        """Count an alert."""
        self.by_family[alert.trig_id].append(alert)
        if alert.revision == 0:
            self.first_of_family[alert.trig_id] = alert.ivorn
        if alert.alert_type == "initial" and alert.kind != "storm":
            self.n_of_image[alert.image_id] += 1
            insort(self.times_of_stream[alert.stream], alert.time_start)

    def count_in(self, event: SourceEvent, before: AlertHistory) -> AlertHistory:
        """Return what was before an event, these alerts among it."""
        stop = event.time_start
        times = self.times_of_stream[event.stream]
        before = replace(
            before,
            n_of_image=before.n_of_image + self.n_of_image[event.image_id],
            n_of_minute=before.n_of_minute + _count_in_minute(times, stop),
            earlier_ivorns=(*before.earlier_ivorns, *self._first_of(event.earlier_trig_ids)),
        )
        family = self.by_family.get(event.trig_id)
        return _follow(before, family) if family else before

    def _first_of(self, families: Sequence[str]) -> Iterable[str]:
        if not families:
            return ()
        return [ivorn for family, ivorn in self.first_of_family.items() if family in families]


def _count_in_minute(times: Sequence[datetime], stop: datetime) -> int:
    """Return how many of ascending times are in the minute that ends with `stop`."""
    first = bisect_right(times, -_MINUTE, key=lambda each: each - stop)
    return max(bisect_right(times, stop) - first, 0)


def _follow(before: AlertHistory, family: Sequence[NewAlert]) -> AlertHistory:
    """Return what was before an event whose family has more alerts."""
    last = orjson.loads(family[-1].notice)
    role = "injection" if last.get("alert_tense") == "injection" else family[-1].role
    importance = max(
        before.importance,
        *(orjson.loads(each.notice).get("importance", 0.0) for each in family),
    )
    after = replace(
        before, revision=before.revision + len(family), role=role, importance=importance
    )
    if before.revision:
        return after
    first = orjson.loads(family[0].notice)
    limit_time = first.get("limit_previous_time")
    return replace(
        after,
        event_name=first.get("event_name", [None])[0],
        time_limit_previous=limit_time and datetime.fromisoformat(limit_time),
        first_alert=_to_first(
            time_start=family[0].time_start,
            freq_mhz=first.get("flux_density_spectral_point"),
            stokes=first.get("stokes"),
            flux_jy_beam=first.get("peak_flux_jy"),
            flux_err_jy_beam=first.get("peak_flux_err_jy"),
            expected_jy_beam=first.get("expected_flux_jy"),
            expected_err_jy_beam=first.get("expected_flux_err_jy"),
        ),
    )


def _to_first(
    *,
    time_start: datetime | None,
    freq_mhz: float | None,
    stokes: str | None,
    **fluxes_jy_beam: float | None,
) -> FirstAlert | None:
    """Return what the first alert of a family said; None: there is none, or it names no band."""
    if time_start is None or freq_mhz is None or stokes is None:
        return None
    return FirstAlert(time_start, freq_mhz * 1e6, stokes, **fluxes_jy_beam)


class AlertTransaction:
    """Alerts read and stored in one transaction; they are written beside it and at its end.

    Parameters
    ----------
    connection : asyncpg connection
        In a transaction that no other one runs beside.
    n_expected : int
        Alerts that it may store, at least one [-].
    """

    def __init__(
        self, connection: asyncpg.pool.PoolConnectionProxy, *, n_expected: int = 1
    ) -> None:
        self._connection = connection
        self._n_expected = n_expected
        self._known: dict[str, StoredAlert | None] = {}
        self._histories: dict[str, AlertHistory] = {}
        self._added = _Added()
        self._unwritten: list[tuple[StoredAlert, NewAlert]] = []
        self._ids: list[int] = []
        # One statement at a time: an insertion runs while alerts are built.
        self._turn = asyncio.Lock()
        self._inserting: asyncio.Task[None] | None = None

    async def lock(self) -> None:
        """Wait until no other transaction stores alerts; take the ids of those of this one."""
        async with self._turn:
            rows = await _QUERIES.fetch(self._connection, "lock_alerts", n_alerts=self._n_expected)
        self._take_ids(rows)

    async def load(self, event_ids: Sequence[str]) -> None:
        """Load the alerts of some events at once, for `find`."""
        self._known.update(dict.fromkeys(event_ids))
        async with self._turn:
            rows = await _QUERIES.fetch(
                self._connection, "select_alerts", event_id=list(event_ids)
            )
        self._known.update({row["event_id"]: to_stored(row) for row in rows})

    async def load_histories(self, events: Sequence[SourceEvent]) -> None:
        """Load the alerts of some events and those before them at once.

        For `find` and `get_alert_history`.

        Before the first `add`: later ones may stand in the table already. (The announcement of a
        storm, alone in its family, is not counted by anything.)
        """
        earlier = [(event.event_id, each) for event in events for each in event.earlier_trig_ids]
        async with self._turn:
            rows = await _QUERIES.fetch(
                self._connection,
                "list_alert_histories",
                event_id=[event.event_id for event in events],
                trig_id=[event.trig_id for event in events],
                image_id=[event.image_id for event in events],
                stream=[event.stream for event in events],
                time_start=[event.time_start for event in events],
                earlier_event_id=[announced for announced, _ in earlier],
                earlier_trig_id=[each for _, each in earlier],
            )
        for row in rows:
            if not row["is_alerted"]:
                self._known.setdefault(row["event_id"])
        if repeated := [row["event_id"] for row in rows if row["is_alerted"]]:
            await self.load(repeated)
        for row in rows:
            values = dict(row)
            event_id = values.pop("event_id")
            del values["is_alerted"]
            values["earlier_ivorns"] = tuple(values["earlier_ivorns"])
            first = {name: values.pop(f"first_{name}") for name in _FIRST}
            self._histories[event_id] = AlertHistory(**values, first_alert=_to_first(**first))

    async def find(self, event_id: str) -> StoredAlert | None:
        """Return the alert of an event, if it has one."""
        if event_id not in self._known:
            await self.load([event_id])
        return self._known[event_id]

    async def get_alert_history(self, event: SourceEvent) -> AlertHistory:
        """Return the alerts before an event, those of this transaction among them."""
        if event.event_id not in self._histories:
            await self.load_histories([event])
        return self._added.count_in(event, self._histories[event.event_id])

    async def add(self, alert: NewAlert, low_watermark: LowWatermark) -> StoredAlert:
        """Store an alert, with the ends of the alert topics before it is sent."""
        stored = StoredAlert(
            id=await self._take_id(),
            ivorn=alert.ivorn,
            trig_id=alert.trig_id,
            role=alert.role,
            voevent=alert.voevent,
            notice=alert.notice,
            low_watermark=low_watermark,
            is_published=False,
            latency_s=alert.latency_s,
            may_be_sent=False,
            avro_packet=alert.avro_packet,
        )
        self._unwritten.append((stored, alert))
        self._added.add(alert)
        self._known[alert.event_id] = stored
        if len(self._unwritten) >= _AT_ONCE:
            await self._insert_beside()
        return stored

    async def _insert_beside(self) -> None:
        """Insert what was added while the next alerts are built; wait for what was before."""
        if self._inserting is not None:
            await self._inserting
        unwritten, self._unwritten = self._unwritten, []
        self._inserting = asyncio.create_task(self._insert(unwritten))

    async def _take_id(self) -> int:
        """Return the next id; ids that are not used are left out."""
        if not self._ids:
            async with self._turn:
                rows = await _QUERIES.fetch(
                    self._connection, "reserve_alert_ids", n_alerts=self._n_expected
                )
            self._take_ids(rows)
        return self._ids.pop()

    def _take_ids(self, rows: Iterable[asyncpg.Record]) -> None:
        self._ids = sorted((row["id"] for row in rows), reverse=True)

    async def suppress(self, event: SourceEvent, *, storm: str, reason: str) -> None:
        """Store an event that becomes an alert only if it is released from its storm."""
        async with self._turn:
            await _QUERIES.fetch(
                self._connection,
                "suppress_event",
                event_id=event.event_id,
                trig_id=event.trig_id,
                stream=event.stream,
                image_id=event.image_id,
                storm=storm,
                reason=reason,
                event=event_to_json(event),
            )

    async def write(self) -> None:
        """Write what was added.

        Raises
        ------
        TransientError
            If another process has stored one of the alerts.
        """
        if self._inserting is not None:
            await self._inserting
        unwritten, self._unwritten = self._unwritten, []
        if unwritten:
            await self._insert(unwritten)

    async def stop(self) -> None:
        """End the statement that runs beside, if one does: the transaction can then be undone."""
        if self._inserting is not None:
            self._inserting.cancel()
            await asyncio.gather(self._inserting, return_exceptions=True)

    async def _insert(self, unwritten: Sequence[tuple[StoredAlert, NewAlert]]) -> None:
        async with self._turn:
            inserted = await _QUERIES.fetch(
                self._connection, "insert_alerts", **_to_arrays(unwritten)
            )
        if len(inserted) < len(unwritten):
            event_ids = [alert.event_id for _, alert in unwritten]
            raise TransientError(f"another process has just stored an alert of {event_ids}")


def _to_arrays(unwritten: Sequence[tuple[StoredAlert, NewAlert]]) -> dict[str, Any]:
    """Return rows as an array for each column."""
    arrays: dict[str, Any] = {
        name: [getattr(alert, name) for _, alert in unwritten] for name in _COLUMNS
    }
    return arrays | {
        "id": [stored.id for stored, _ in unwritten],
        "notice": [alert.notice.decode() for _, alert in unwritten],
        "kafka_low_watermark": [
            orjson.dumps(dict(stored.low_watermark)).decode() for stored, _ in unwritten
        ],
    }


def to_stored(row: asyncpg.Record) -> StoredAlert:
    """Return an alert as the database has it."""
    values = dict(row)
    values.pop("event_id", None)
    low_watermark = values.pop("low_watermark")
    return StoredAlert(
        **(values | {"notice": values["notice"].encode()}),
        low_watermark={} if low_watermark is None else orjson.loads(low_watermark),
        may_be_sent=True,
    )
