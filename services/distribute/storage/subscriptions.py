"""Tables `subscription` and `replay`, and what is known of alerts that subscriptions may want."""

from collections.abc import Collection, Sequence
from functools import partial

import asyncpg

from rules.expression import Match
from runtime.postgres import lend_connection
from runtime.references import match_references
from runtime.sql import Queries
from schemas.event_json import event_from_json
from services.distribute.models import (
    AlertEvent,
    OutgoingAlert,
    Replay,
    ReplayedAlert,
    Subscription,
)

__all__ = ["SubscriptionStore"]

_QUERIES = Queries("services.distribute")


class SubscriptionStore:
    """The subscriptions of one database.

    Every call raises `TransientError` if the database is away.

    Parameters
    ----------
    pool : asyncpg.Pool
        Connections; closed by the caller.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def list_versions(self) -> dict[int, str]:
        """Return the version of the row of each subscription, which changes with the row."""
        async with lend_connection(self._pool) as connection:
            rows = await _QUERIES.fetch(connection, "list_subscription_versions")
        return {row["id"]: row["version"] for row in rows}

    async def read(self, ids: Collection[int]) -> dict[int, Subscription]:
        """Return those of some subscriptions that are there, the oldest first."""
        async with lend_connection(self._pool) as connection:
            rows = await _QUERIES.fetch(connection, "select_subscriptions", id=list(ids))
        return {row["id"]: Subscription(**row) for row in rows}

    async def read_events(self, alert_ids: Sequence[int], name: str) -> dict[int, AlertEvent]:
        """Return the events of alerts by row, and whether a subscription follows them."""
        async with lend_connection(self._pool) as connection:
            rows = await _QUERIES.fetch(
                connection, "select_alert_events", alert_id=list(alert_ids), name=name
            )
        return {
            row["id"]: AlertEvent(
                row["trig_id"],
                row["time_alert"],
                None if row["event"] is None else event_from_json(row["event"]),
                row["is_followed"],
            )
            for row in rows
        }

    async def match_references(
        self, positions: Sequence[tuple[float, float]], matches: Collection[Match]
    ) -> list[dict[str, bool]]:
        """Return by the key of each match whether its catalogue has a source at a position.

        Parameters
        ----------
        positions : sequence of (float, float)
            Right ascension and declination, ICRS [deg].
        matches : collection of Match
            Catalogues and radii.
        """
        return await match_references(partial(lend_connection, self._pool), positions, matches)

    async def list_replays(self) -> list[Replay]:
        """Return the replays that are not done, the oldest first."""
        async with lend_connection(self._pool) as connection:
            rows = await _QUERIES.fetch(connection, "list_replays")
        return [Replay(**row) for row in rows]

    async def list_replayed(self, replay: Replay, *, limit: int) -> list[ReplayedAlert]:
        """Return the next alerts of a replay, oldest first."""
        async with lend_connection(self._pool) as connection:
            rows = await _QUERIES.fetch(
                connection, "list_replayed_alerts",
                time_since=replay.time_since, time_until=replay.time_until,
                since_alert_id=replay.since_alert_id, limit=limit,
            )  # fmt: skip
        return [
            ReplayedAlert(
                row["id"],
                row["time_alert"],
                OutgoingAlert(row["ivorn"], row["voevent"], row["notice"].encode()),
            )
            for row in rows
        ]

    async def advance_replay(self, replay_id: int, until_id: int, *, n_sent: int) -> None:
        """Record that a replay has come to an alert."""
        async with lend_connection(self._pool) as connection:
            await _QUERIES.execute(
                connection, "advance_replay", id=replay_id, since_alert_id=until_id, n_sent=n_sent
            )

    async def end_replay(self, replay_id: int, failure_reason: str | None) -> None:
        """Record that a replay is over, and why, if it is early."""
        async with lend_connection(self._pool) as connection:
            await _QUERIES.execute(
                connection, "end_replay", id=replay_id, failure_reason=failure_reason
            )
