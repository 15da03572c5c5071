"""Table `alert`: stored before sent, marked when sent."""

from collections.abc import Callable, Collection
from dataclasses import astuple, replace

import asyncpg
import orjson

from rules.expression import Match
from runtime.errors import TransientError
from runtime.postgres import lend_connection
from runtime.sql import load_query
from schemas.event_json import event_to_json
from schemas.messages import SourceEvent
from services.alert.models import LowWatermark, NewAlert, Standing, StoredAlert

__all__ = ["AlertStore"]

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

    async def add(
        self, event: SourceEvent, render: Callable[[Standing], NewAlert]
    ) -> tuple[StoredAlert, bool]:
        """Store the alert of an event, unless it is there already.

        Parameters
        ----------
        event : SourceEvent
            One alert each.
        render : callable
            Called with what was alerted before; an error of it stores nothing.

        Returns
        -------
        tuple of StoredAlert and bool
            The row, and whether it is new.

        Raises
        ------
        TransientError
            If the database is away; nothing was stored, or repeating finds it.
        RejectedMessageError
            If the database can never take it.
        """
        async with lend_connection(self._pool) as connection, connection.transaction():
            await connection.execute(load_query(_PACKAGE, "lock_alerts"))
            existing = await connection.fetchrow(
                load_query(_PACKAGE, "select_alert"), event.event_id
            )
            if existing is not None:
                return _to_stored(existing), False
            (before,) = await connection.fetch(
                load_query(_PACKAGE, "get_standing"),
                event.event_id, event.trig_id, event.image_id, event.stream, event.time_start,
            )  # fmt: skip
            alert = render(Standing(**before))
            row = await connection.fetchrow(
                load_query(_PACKAGE, "insert_alert"), *_to_parameters(alert)
            )
            if row is None:
                raise TransientError(f"alert of event {event.event_id} appeared meanwhile")
            return _to_fresh(alert, row["id"]), True

    async def hold(self, event: SourceEvent, because: str) -> None:
        """Keep an event for an operator to decide about."""
        await self._execute(
            "hold_event",
            event.event_id, event.trig_id, event.stream, event.image_id, because,
            event_to_json(event),
        )  # fmt: skip

    async def match_references(
        self, ra: float, dec: float, asked: Collection[Match]
    ) -> dict[str, bool]:
        """Return whether reference catalogues have a position [deg], by each question's key."""
        if not asked:
            return {}
        async with lend_connection(self._pool) as connection:
            rows = await connection.fetch(
                load_query(_PACKAGE, "match_references"),
                ra,
                dec,
                [match.key for match in asked],
                [match.catalogue for match in asked],
                [match.radius_arcsec for match in asked],
            )
        return {row["key"]: row["is_there"] for row in rows}

    async def list_unfinished(self) -> list[StoredAlert]:
        """Return the alerts that are stored but not sent everywhere, oldest first."""
        async with lend_connection(self._pool) as connection:
            rows = await connection.fetch(load_query(_PACKAGE, "list_unfinished_alerts"))
        return [_to_stored(row) for row in rows]

    async def save_low_watermark(self, alert: StoredAlert, mark: LowWatermark) -> StoredAlert:
        """Remember where the topics ended before `alert` is sent for the first time."""
        text = orjson.dumps(dict(mark)).decode()
        await self._execute("save_low_watermark", alert.id, text)
        return replace(alert, low_watermark=dict(mark))

    async def mark_published(self, alert: StoredAlert) -> StoredAlert:
        """Note that Kafka has it."""
        await self._execute("mark_published", alert.id)
        return replace(alert, is_published=True)

    async def mark_broadcast(self, alert: StoredAlert) -> StoredAlert:
        """Note that the VTP subscribers were given it."""
        await self._execute("mark_broadcast", alert.id)
        return replace(alert, is_broadcast=True)

    async def _execute(self, query: str, *parameters: object) -> None:
        async with lend_connection(self._pool) as connection:
            await connection.execute(load_query(_PACKAGE, query), *parameters)


def _to_parameters(alert: NewAlert) -> tuple[object, ...]:
    """Return the values in the order of ``insert_alert.sql``, which is the model's."""
    *head, notice, latency_s, rule, image_id = astuple(alert)
    return (*head, notice.decode(), latency_s, rule, image_id)


def _to_fresh(alert: NewAlert, identity: int) -> StoredAlert:
    return StoredAlert(
        id=identity,
        ivorn=alert.ivorn,
        trig_id=alert.trig_id,
        role=alert.role,
        voevent=alert.voevent,
        notice=alert.notice,
        low_watermark=None,
        is_published=False,
        is_broadcast=False,
        latency_s=alert.latency_s,
    )


def _to_stored(row: asyncpg.Record) -> StoredAlert:
    values = dict(row)
    mark = values.pop("low_watermark")
    return StoredAlert(
        **(values | {"notice": values["notice"].encode()}),
        low_watermark=None if mark is None else orjson.loads(mark),
    )
