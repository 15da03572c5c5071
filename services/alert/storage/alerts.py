"""The alerts of a database: an alert is stored before it is sent."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial

import asyncpg

from rules.expression import Match
from runtime.postgres import lend_connection
from runtime.references import match_references
from runtime.rule_names import list_rule_names
from runtime.sql import Queries
from schemas.codec import encode_source_event
from schemas.event_json import event_from_json
from schemas.messages import SourceEvent
from services.alert.models import ContextRows, KnownNames, StoredAlert
from services.alert.storage.contexts import ContextReader
from services.alert.storage.transactions import AlertTransaction, to_stored

__all__ = ["AlertStore"]

_QUERIES = Queries("services.alert")


class AlertStore:
    """The alerts of one database.

    Parameters
    ----------
    pool : asyncpg.Pool
        Connections; closed by the caller.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._contexts = ContextReader()

    @asynccontextmanager
    async def transaction(self, n_events: int = 1) -> AsyncIterator["AlertTransaction"]:
        """Give a transaction that no other one runs beside; an error undoes all of it.

        Parameters
        ----------
        n_events : int
            About which it decides, at least one [-].

        Raises
        ------
        TransientError
            If the database is away; nothing was stored, or a repetition finds it.
        RejectedMessageError
            If the database can never store it.
        """
        async with lend_connection(self._pool) as connection, connection.transaction():
            transaction = AlertTransaction(connection, n_expected=n_events)
            await transaction.lock()
            try:
                yield transaction
                await transaction.write()
            finally:
                await transaction.stop()

    async def match_references(
        self, positions: Sequence[tuple[float, float]], matches: Collection[Match]
    ) -> list[dict[str, bool]]:
        """Return by the key of each match whether its catalogue has a source at a position.

        Parameters
        ----------
        positions : sequence of (float, float)
            Right ascension and declination, ICRS [deg].
        matches : collection of Match
            Catalogues and radii that the rules name.
        """
        return await match_references(partial(lend_connection, self._pool), positions, matches)

    async def read_contexts(self, events: Sequence[SourceEvent]) -> list[ContextRows]:
        """Return what the catalogue has about each event.

        Raises
        ------
        TransientError
            If the database is away.
        """
        async with lend_connection(self._pool) as connection:
            return await self._contexts.read(connection, events)

    async def read_image_events(self, stream: str, image_id: str) -> list[SourceEvent]:
        """Return the events that began episodes with an image, and those that wait for it.

        Which are not told yet: of sources that look back, and that the limit calls new.
        """
        async with lend_connection(self._pool) as connection:
            rows = await _QUERIES.fetch(
                connection, "select_image_events", stream=stream, image_id=image_id
            )
        return [event_from_json(row["event"]) for row in rows]

    async def release_storms(self, *, after_s: float, n_events: int, topic: str) -> list[str]:
        """Send the best events of storms to a topic again; return their identities.

        Storms of a stream that are open at a time are decided about together.

        Parameters
        ----------
        after_s : float
            Since the first event of them, if no operator has released any [s].
        n_events : int
            Of a stream [-].
        topic : str
            Where events come from.
        """
        async with lend_connection(self._pool) as connection, connection.transaction():
            rows = await _QUERIES.fetch(
                connection, "release_storm", after_s=after_s, n_events=n_events
            )
            events = [event_from_json(row["event"]) for row in rows]
            for event in sorted(events, key=lambda each: each.event_id):
                await _QUERIES.execute(
                    connection, "insert_outbox",
                    topic=topic, key=event.stream, value=encode_source_event(event),
                )  # fmt: skip
        return [event.event_id for event in events]

    async def list_names(self) -> KnownNames:
        """Return the names that rules may use."""
        async with lend_connection(self._pool) as connection:
            return KnownNames(*await list_rule_names(connection))

    async def list_unpublished(self) -> list[StoredAlert]:
        """Return the alerts that are stored and not known to be on Kafka, oldest first."""
        async with lend_connection(self._pool) as connection:
            rows = await _QUERIES.fetch(connection, "list_unpublished_alerts")
        return [to_stored(row) for row in rows]

    async def mark_published(self, ids: Sequence[int], time_published: datetime) -> None:
        """Record that both alert topics have alerts."""
        async with lend_connection(self._pool) as connection:
            await _QUERIES.execute(
                connection, "mark_alerts_published", id=list(ids), time_published=time_published
            )
