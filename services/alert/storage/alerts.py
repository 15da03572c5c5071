"""Table `alert`: stored before sent, marked when sent."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import astuple
from datetime import datetime

import asyncpg
import orjson

from rules.expression import Match
from runtime.errors import TransientError
from runtime.postgres import lend_connection
from runtime.sql import load_query
from schemas.event_json import event_to_json
from schemas.messages import SourceEvent
from services.alert.models import AlertHistory, LowWatermark, NewAlert, StoredAlert

__all__ = ["AlertStore", "AlertTransaction"]

_PACKAGE = "services.alert"


class AlertStore:
    """The alerts of one database.

    Parameters
    ----------
    pool : asyncpg.Pool
        Connections; closed by the caller.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def transaction(self, event_ids: Sequence[str]) -> AsyncIterator["AlertTransaction"]:
        """Lend the book for one transaction, one at a time; an error undoes all of it.

        Parameters
        ----------
        event_ids : sequence of str
            Events that it is going to be asked for.

        Raises
        ------
        TransientError
            If the database is away; nothing was stored, or repeating finds it.
        RejectedMessageError
            If the database can never take it.
        """
        async with lend_connection(self._pool) as connection, connection.transaction():
            await connection.execute(load_query(_PACKAGE, "lock_alerts"))
            book = AlertTransaction(connection)
            await book.look_up(event_ids)
            yield book

    async def match_references(
        self, places: Sequence[tuple[float, float]], asked: Collection[Match]
    ) -> list[dict[str, bool]]:
        """Return whether reference catalogues have positions [deg], by each question's key."""
        answers: list[dict[str, bool]] = [{} for _ in places]
        if not asked or not places:
            return answers
        async with lend_connection(self._pool) as connection:
            rows = await connection.fetch(
                load_query(_PACKAGE, "match_references"),
                [ra for ra, _ in places],
                [dec for _, dec in places],
                [match.key for match in asked],
                [match.catalogue for match in asked],
                [match.radius_arcsec for match in asked],
            )
        for row in rows:
            answers[row["number"]][row["key"]] = row["is_there"]
        return answers

    async def list_unfinished(self) -> list[StoredAlert]:
        """Return the alerts that are stored but not sent everywhere, oldest first."""
        async with lend_connection(self._pool) as connection:
            rows = await connection.fetch(load_query(_PACKAGE, "list_unfinished_alerts"))
        return [_to_stored(row) for row in rows]

    async def mark_sent(self, ids: Sequence[int], time_published: datetime) -> None:
        """Note that Kafka has alerts, and that the VTP subscribers were given them."""
        async with lend_connection(self._pool) as connection:
            await connection.execute(load_query(_PACKAGE, "mark_sent"), list(ids), time_published)


class AlertTransaction:
    """The alerts, within one transaction.

    Parameters
    ----------
    connection : asyncpg connection
        In a transaction.
    """

    def __init__(self, connection: asyncpg.pool.PoolConnectionProxy) -> None:
        self._connection = connection
        self._known: dict[str, StoredAlert | None] = {}

    async def look_up(self, event_ids: Sequence[str]) -> None:
        """Learn the alerts of some events at once."""
        self._known.update(dict.fromkeys(event_ids))
        rows = await self._connection.fetch(load_query(_PACKAGE, "select_alerts"), list(event_ids))
        self._known.update({row["event_id"]: _to_stored(row) for row in rows})

    async def find(self, event_id: str) -> StoredAlert | None:
        """Return the alert of an event, if it has one."""
        if event_id not in self._known:
            await self.look_up([event_id])
        return self._known[event_id]

    async def get_alert_history(self, event: SourceEvent) -> AlertHistory:
        """Return what was alerted before an event."""
        (row,) = await self._connection.fetch(
            load_query(_PACKAGE, "get_alert_history"),
            event.event_id, event.trig_id, event.image_id, event.stream, event.time_start,
        )  # fmt: skip
        return AlertHistory(**row)

    async def add(self, alert: NewAlert, low_watermark: LowWatermark) -> StoredAlert:
        """Store an alert; `low_watermark` is where the alert topics ended before it is sent."""
        *head, notice, latency_s, rule, image_id = astuple(alert)
        identity = await self._connection.fetchval(
            load_query(_PACKAGE, "insert_alert"),
            *head, notice.decode(), latency_s, rule, image_id,
            orjson.dumps(dict(low_watermark)).decode(),
        )  # fmt: skip
        if identity is None:
            raise TransientError(f"alert of event {alert.event_id} appeared meanwhile")
        stored = StoredAlert(
            id=identity,
            ivorn=alert.ivorn,
            trig_id=alert.trig_id,
            role=alert.role,
            voevent=alert.voevent,
            notice=alert.notice,
            low_watermark=low_watermark,
            is_published=False,
            is_broadcast=False,
            latency_s=alert.latency_s,
            may_be_sent=False,
        )
        self._known[alert.event_id] = stored
        return stored

    async def hold(self, event: SourceEvent, because: str) -> None:
        """Keep an event for an operator to decide about."""
        await self._connection.execute(
            load_query(_PACKAGE, "suppress_event"),
            event.event_id, event.trig_id, event.stream, event.image_id, because,
            event_to_json(event),
        )  # fmt: skip


def _to_stored(row: asyncpg.Record) -> StoredAlert:
    values = dict(row)
    values.pop("event_id", None)
    mark = values.pop("low_watermark")
    return StoredAlert(
        **(values | {"notice": values["notice"].encode()}),
        low_watermark={} if mark is None else orjson.loads(mark),
        may_be_sent=True,
    )
