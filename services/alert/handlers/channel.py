"""Give every alert to one channel, in order, until it says that it has it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from runtime.errors import TransientError
from runtime.logging import get_logger
from services.alert.metrics import DELIVERY_ATTEMPTS
from services.alert.models import OutgoingAlert, PendingDelivery
from services.alert.steps.refusals import Refusals, RefusedError
from services.alert.steps.webhook import DeliveryError
from services.alert.storage import DeliveryStore

__all__ = ["DeliveryChannel"]

_LOOK_EVERY_S = 2.0
_DISABLED_LOOK_EVERY_S = 10.0
_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S = 1.0, 60.0
_LIMIT = 500


class DeliveryChannel:
    """What waits is read from the database: a restart goes on behind what was taken last.

    Parameters
    ----------
    channel, name : str
        Who it is.
    deliver : callable
        Sends some of the alerts, from the first on, and returns which; raises `DeliveryError`.
    store : DeliveryStore
        Who has what.
    longest : timedelta
        Older alerts are not sent.
    n_most_failures : int
        So many in a row disable it [-].
    pause_s : float
        Between two deliveries [s].
    """

    def __init__(
        self,
        channel: str,
        name: str,
        deliver: Callable[[list[OutgoingAlert]], Awaitable[list[OutgoingAlert]]],
        *,
        store: DeliveryStore,
        longest: timedelta,
        n_most_failures: int,
        pause_s: float = 0.0,
    ) -> None:
        self._channel = channel
        self._name = name
        self._deliver = deliver
        self._store = store
        self._longest = longest
        self._n_most_failures = n_most_failures
        self._pause_s = pause_s
        self._wake = asyncio.Event()
        self._refusals = Refusals()

    def wake(self) -> None:
        """Look at once: there is a new alert."""
        self._wake.set()

    async def run(self) -> NoReturn:
        """Deliver for ever."""
        while True:
            try:
                await self._turn()
            except TransientError as error:
                get_logger().debug("delivery_waits", name=self._name, error=str(error))
                await asyncio.sleep(_LOOK_EVERY_S)

    async def _turn(self) -> None:
        """Deliver what waits, or wait for something."""
        state = await self._store.ensure_subscriber(self._channel, self._name)
        if state.disabled_reason is not None:
            await asyncio.sleep(_DISABLED_LOOK_EVERY_S)
            return
        self._wake.clear()
        waiting = await self._store.list_pending_deliveries(
            self._channel, self._name, longest=self._longest, limit=_LIMIT
        )
        due = [each for each in waiting if not each.is_old]
        if due:
            await self._work_off(due, state.n_failures)
        elif waiting:
            await self._advance(waiting, [])
        else:
            await self._is_woken(_LOOK_EVERY_S)

    async def _work_off(self, due: list[PendingDelivery], n_failures: int) -> None:
        """Deliver all, or as far as it goes."""
        while due:
            place = self._refusals.choose([each.id for each in due])
            if place is None:
                if await self._is_woken(_LONGEST_BACKOFF_S):
                    return  # there may be one more to try
                place = 0
            try:
                taken = await self._offer(due, place)
            except RefusedError as error:
                is_news = self._refusals.note(due[place].id)
                await self._fail(f"refused: {error}", n_failures, is_counted=is_news)
                return
            except DeliveryError as error:
                await self._fail(str(error), n_failures)
                return
            self._refusals.forget()
            await self._advance(due[: len(taken)], taken)
            DELIVERY_ATTEMPTS.labels(self._channel, self._name, "delivered").inc()
            due, n_failures = due[len(taken) :], 0
            await asyncio.sleep(self._pause_s)

    async def _offer(self, due: list[PendingDelivery], place: int) -> list[bool]:
        """Send from `place` on; return of each from the first on whether it was taken."""
        sent = await self._deliver([each.alert for each in due[place:]])
        return [await self._takes(each.alert) for each in due[:place]] + [True] * len(sent)

    async def _takes(self, alert: OutgoingAlert) -> bool:
        """Offer an alert that was refused once more, to a server that has just taken another."""
        try:
            await self._deliver([alert])
        except RefusedError as error:
            DELIVERY_ATTEMPTS.labels(self._channel, self._name, "refused").inc()
            get_logger().error(
                "alert_refused",
                channel=self._channel,
                name=self._name,
                ivorn=alert.ivorn,
                reason=str(error),
                action="passed over: later alerts are taken",
            )
            return False
        return True

    async def _advance(self, done: list[PendingDelivery], taken: list[bool]) -> None:
        """Note what is done; while the database is away nothing is sent a second time."""
        now = datetime.now(UTC)
        is_taken = {each.id: was for each, was in zip(done, taken, strict=False)}
        while True:
            try:
                await self._store.advance(
                    self._channel, self._name, done[-1].id, time_sent=now, is_taken=is_taken
                )
            except TransientError as error:
                get_logger().debug("delivery_waits", name=self._name, error=str(error))
                await asyncio.sleep(_LOOK_EVERY_S)
            else:
                return

    async def _is_woken(self, longest_s: float) -> bool:
        """Wait for a new alert [s]."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), longest_s)
        return self._wake.is_set()

    async def _fail(self, because: str, n_failures: int, *, is_counted: bool = True) -> None:
        DELIVERY_ATTEMPTS.labels(self._channel, self._name, "failed").inc()
        get_logger().warning(
            "delivery_failed", channel=self._channel, name=self._name, reason=because
        )
        is_disabled = is_counted and await self._store.note_failure(
            self._channel, self._name, because, n_most=self._n_most_failures
        )
        if is_disabled:
            get_logger().error(
                "delivery_channel_disabled",
                channel=self._channel,
                name=self._name,
                reason=because,
                action=f"mend it, then `livetrap alerts enable {self._channel} {self._name}`",
            )
        await asyncio.sleep(min(_FIRST_BACKOFF_S * 2 ** min(n_failures, 16), _LONGEST_BACKOFF_S))
