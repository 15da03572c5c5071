"""Give every alert to one outlet until it says that it has it, whatever happens meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from runtime.errors import TransientError
from runtime.logging import get_logger
from services.alert.metrics import OUTLET_ATTEMPTS
from services.alert.models import Delivery, Outgoing
from services.alert.steps.webhook import WebhookError
from services.alert.storage import DeliveryStore

__all__ = ["Outlet"]

_LOOK_EVERY_S = 2.0
_DISABLED_LOOK_EVERY_S = 10.0
_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S = 1.0, 60.0
_LIMIT = 500


class Outlet:
    """What is missing is read from the database: a restart goes on where this one stopped.

    Parameters
    ----------
    channel, name : str
        Who it is.
    deliver : callable
        Sends some of the alerts and returns which; raises `WebhookError`.
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
        deliver: Callable[[list[Outgoing]], Awaitable[list[Outgoing]]],
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

    def wake(self) -> None:
        """Look at once: there is a new alert."""
        self._wake.set()

    async def run(self) -> NoReturn:
        """Deliver for ever."""
        while True:
            try:
                await self._turn()
            except TransientError as error:
                get_logger().debug("outlet_waits", name=self._name, error=str(error))
                await asyncio.sleep(_LOOK_EVERY_S)

    async def _turn(self) -> None:
        """Deliver what is missing, or wait for something."""
        state = await self._store.ensure_subscriber(self._channel, self._name)
        if state.disabled_because is not None:
            await asyncio.sleep(_DISABLED_LOOK_EVERY_S)
            return
        self._wake.clear()
        missing = await self._store.list_missing(
            self._channel, self._name, longest=self._longest, limit=_LIMIT
        )
        if not missing:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), _LOOK_EVERY_S)
            return
        try:
            sent = await self._deliver(missing)
        except WebhookError as error:
            await self._fail(str(error), state.n_failures)
            return
        now = datetime.now(UTC)
        await self._store.note(
            [
                Delivery(each.ivorn, self._channel, self._name, now, is_acknowledged=True)
                for each in sent
            ]
        )
        await self._store.note_success(self._channel, self._name)
        OUTLET_ATTEMPTS.labels(self._channel, self._name, "delivered").inc()
        await asyncio.sleep(self._pause_s)

    async def _fail(self, because: str, n_failures: int) -> None:
        OUTLET_ATTEMPTS.labels(self._channel, self._name, "failed").inc()
        get_logger().warning(
            "delivery_failed", channel=self._channel, name=self._name, reason=because
        )
        is_disabled = await self._store.note_failure(
            self._channel, self._name, because, n_most=self._n_most_failures
        )
        if is_disabled:
            get_logger().error(
                "outlet_disabled",
                channel=self._channel,
                name=self._name,
                reason=because,
                action=f"mend it, then `livetrap alerts enable {self._channel} {self._name}`",
            )
        await asyncio.sleep(min(_FIRST_BACKOFF_S * 2 ** min(n_failures, 16), _LONGEST_BACKOFF_S))
