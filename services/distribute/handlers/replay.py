"""Send a past night to one subscription again, as tests, at any speed."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

from runtime.errors import FatalError, TransientError
from runtime.logging import get_logger
from services.distribute.errors import CostlyError, DeliveryError
from services.distribute.handlers.subscription import SubscriptionFilter
from services.distribute.models import OutgoingAlert, Replay, ReplayedAlert
from services.distribute.steps.replay import to_test
from services.distribute.storage import SubscriptionStore

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["ReplayRun"]

_LIMIT = 100
_MAX_ATTEMPTS = 5
_FIRST_BACKOFF_S = 1.0
_DEFECT = "this service failed with it; the log of the operator says how"


class ReplayRun:
    """One replay: what its subscription wanted, in the rhythm of that time.

    Parameters
    ----------
    replay : Replay
        What, for whom, how fast.
    store : SubscriptionStore
        Alerts of the past.
    wanted : SubscriptionFilter
        Of the subscription.
    deliver : callable
        Sends alerts to its receiver.
    may_deliver : callable
        Returns whether this process is the one that delivers.
    reading : asyncio.Semaphore
        Of all replays: those that read the past at once leave connections and turns to others.
    wait_s : callable
        Gives the next alert its turn at the receiver; returns how long it waits for that [s].
    """

    def __init__(
        self,
        replay: Replay,
        *,
        store: SubscriptionStore,
        wanted: SubscriptionFilter,
        deliver: Callable[[list[OutgoingAlert]], Coroutine[Any, Any, list[OutgoingAlert]]],
        may_deliver: Callable[[], Awaitable[bool]],
        reading: asyncio.Semaphore,
        wait_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._replay = replay
        self._store = store
        self._wanted = wanted
        self._deliver = deliver
        self._may_deliver = may_deliver
        self._reading = reading
        self._wait_s = wait_s
        self._first: tuple[datetime, float] | None = None

    async def run(self) -> None:
        """Send everything that is left, and record the end; the next process goes on otherwise.

        Raises
        ------
        FatalError
            If the process cannot go on.
        TransientError
            If the database is away: it can be begun again behind the last alert.
        """
        is_left, failure = True, None
        while is_left and failure is None:
            if not await self._may_deliver():
                return
            try:
                is_left, failure = await self._send_page()
            except (FatalError, TransientError):
                raise
            except Exception:  # noqa: BLE001  (whatever it is: it would fail again)
                get_logger().exception("replay_failed", replay=self._replay.id)
                failure = _DEFECT
        await self._store.end_replay(self._replay.id, failure)
        get_logger().info(
            "replay_ended", replay=self._replay.id, name=self._replay.name, reason=failure
        )

    async def _send_page(self) -> tuple[bool, str | None]:
        """Send what is wanted of the next alerts; return if there were any, and what failed."""
        try:
            rows, chosen = await self._read()
        except CostlyError as error:
            return True, str(error)
        for each in rows:
            if each.id not in chosen:
                continue
            if not await self._may_deliver():
                return True, None
            if (failure := await self._send(each)) is not None:
                return True, failure
            await self._advance(each.id, n_sent=1)
        # Once for all that nobody wants: a night may have a million alerts.
        if rows and rows[-1].id not in chosen:
            await self._advance(rows[-1].id, n_sent=0)
        return bool(rows), None

    async def _read(self) -> tuple[list[ReplayedAlert], set[int]]:
        """Return the next alerts, and the rows of those that are wanted."""
        async with self._reading:
            rows = await self._store.list_replayed(self._replay, limit=_LIMIT)
            return rows, await self._wanted.choose([each.id for each in rows])

    async def _advance(self, row: int, *, n_sent: int) -> None:
        await self._store.advance_replay(self._replay.id, row, n_sent=n_sent)
        replay = self._replay
        self._replay = Replay(
            replay.id, replay.name, replay.time_since, replay.time_until, replay.speed, row
        )

    async def _send(self, each: ReplayedAlert) -> str | None:
        """Wait until it is due and send it; return why that is not possible."""
        if self._first is None:
            self._first = each.time_alert, time.monotonic()
        first, started_s = self._first
        due_s = started_s + (each.time_alert - first).total_seconds() / self._replay.speed
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        alert = to_test(each.alert, self._replay.id)
        for attempt in range(_MAX_ATTEMPTS):
            await asyncio.sleep(self._wait_s())
            try:
                await self._deliver([alert])
            except DeliveryError as error:
                reason = str(error)
            else:
                return None
            await asyncio.sleep(_FIRST_BACKOFF_S * 2**attempt)
        return reason
