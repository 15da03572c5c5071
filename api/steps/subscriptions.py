"""What a subscription would have got, and what it gets, as server-sent events."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import asyncpg

from api.metrics import ALERTS_STREAMED
from api.models.subscriptions import DryRun, SkyCone, Subscription
from api.steps.alert_stream import to_event
from api.storage.database import Database
from rules.doubts import find_parts_in_doubt
from rules.wanted import Wanted, WantedError, parse_wanted
from runtime.errors import TransientError
from runtime.postgres import UNAVAILABLE_ERRORS
from runtime.references import match_references
from schemas.event_json import event_from_json

__all__ = ["MAX_ALERTS", "compare", "find_warnings", "follow", "to_subscription"]

MAX_ALERTS = 5000
_NEWEST = 10
_BATCH = 200
_POLL_S = 1.0
_KEEP_ALIVE_POLLS = 15
_CHECK_S = 15.0
_RULES_REMEMBERED = 1000
_DATABASE_ERRORS = (TransientError, *UNAVAILABLE_ERRORS, asyncpg.PostgresError)
_CONE = ("ra", "dec", "radius_deg")


def to_subscription(row: Mapping[str, Any]) -> Subscription:
    """Return a subscription of a row; a rule that is new may take a tenth of a second."""
    values = dict(row)
    cone = {name: values.pop(name) for name in _CONE}
    return Subscription(
        **values,
        cone=None if cone["ra"] is None else SkyCone(**cone),
        warnings=list(find_warnings(values["rule"])),
    )


@lru_cache(_RULES_REMEMBERED)
def find_warnings(rule: str) -> tuple[str, ...]:
    """Return which parts of a rule are never or always true, or why it is none; none if empty."""
    try:
        when = parse_wanted(rule).when
    except WantedError as error:
        return (str(error),)
    return () if when is None else tuple(find_parts_in_doubt(when))


async def compare(
    wanted: Wanted, rows: Sequence[Mapping[str, Any]], database: Database, *, days: float
) -> DryRun:
    """Return how many alerts are wanted.

    Parameters
    ----------
    wanted : Wanted
        What a subscription wants.
    rows : sequence of mappings
        Alerts with their events, the newest first; one more than are compared if there are.
    database : Database
        Reference catalogues.
    days : float
        Time that they are of [d].
    """
    compared = rows[:MAX_ALERTS]
    events = [event_from_json(row["event"]) for row in compared]
    places = [(each.ra, each.dec) for each in events]
    matches = await match_references(database.lend, places, wanted.matches)

    def choose() -> list[Mapping[str, Any]]:
        families: set[str] = set()
        chosen = []
        for row, event, found in reversed(list(zip(compared, events, matches, strict=True))):
            if row["trig_id"] in families or wanted.is_true(event, found, row["time_alert"]):
                families.add(row["trig_id"])
                chosen.append(row)
        return chosen[::-1]

    chosen = await asyncio.to_thread(choose)
    return DryRun(
        days=days,
        n_alerts=len(compared),
        n_wanted=len(chosen),
        is_complete=len(rows) <= MAX_ALERTS,
        n_wanted_by_kind=dict(Counter(row["kind"] for row in chosen)),
        newest=[row["ivorn"] for row in chosen[:_NEWEST]],
    )


async def follow(
    database: Database,
    name: str,
    after_id: int,
    *,
    reset: bytes = b"",
    is_stopped: Callable[[], bool],
    is_open: Callable[[], Awaitable[bool]],
) -> AsyncIterator[bytes]:
    """Yield the alerts that a subscription gets, as server-sent events, while it may be followed.

    Parameters
    ----------
    database : Database
        What was delivered.
    name : str
        Of the subscription.
    after_id : int
        Start after this alert.
    reset : bytes
        Event that comes first: where the log is, for who asked for alerts beyond it.
    is_stopped : callable
        Returns whether the process stops.
    is_open : callable
        Returns whether the subscription and the right to follow it are still there; it is asked
        every 15 s.
    """
    yield b"retry: 1000\nid: %d\n\n" % after_id + reset
    n_idle = 0
    next_check_s = time.monotonic() + _CHECK_S
    while not is_stopped():
        try:
            if time.monotonic() >= next_check_s:
                if not await is_open():
                    return
                next_check_s = time.monotonic() + _CHECK_S
            rows = await database.fetch(
                "list_wanted_alerts_after", after_id=after_id, limit=_BATCH, name=name
            )
        except _DATABASE_ERRORS:
            rows = []
        for row in rows:
            event = to_event(**row)
            after_id = event.alert.id
            ALERTS_STREAMED.inc()
            yield event.text
        if rows:
            continue
        n_idle += 1
        if n_idle % _KEEP_ALIVE_POLLS == 0:
            yield b": keep-alive\n\n"
        await asyncio.sleep(_POLL_S)
