"""Deliver every alert to one receiver, in order, each until it is acknowledged."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from runtime.errors import (
    FatalError,
    PipelineError,
    RejectedMessageError,
    TransientError,
)
from runtime.in_flight import InFlight
from runtime.kafka import InMessage
from runtime.logging import get_logger
from schemas.delivery_channels import DeliveryChannelName
from services.distribute.errors import CostlyError, DeliveryError, RefusedError
from services.distribute.metrics import DELIVERY_ATTEMPTS
from services.distribute.models import OutgoingAlert, PendingDelivery, SubscriberState
from services.distribute.steps.refusal_counter import RefusalCounter
from services.distribute.storage import DeliveryStore

__all__ = ["DeliveryChannel", "describe_defect"]

_POLL_INTERVAL_S = 5.0
_DISABLED_POLL_INTERVAL_S = 10.0
_RETRY_INTERVAL_S = 2.0
# After failures in a row; of a receiver that is away nothing is lost but time.
_FIRST_BACKOFF_S, _LONGEST_FAILURE_BACKOFF_S = 1.0, 600.0
# After refusals of everything that is pending.
_LONGEST_BACKOFF_S = 60.0
_LIMIT = 500
_MAX_REASON_CHARS = 300
# A receiver that is away is told by e-mail after four minutes, and about once a day from then on.
_TOLD_AFTER_FAILURES, _TOLD_EVERY_FAILURES = 8, 144
# One that comes and goes is told as seldom as this.
_TOLD_INTERVAL_S = 3600.0


class DeliveryChannel:
    """Reads from the database what is pending: a restart continues behind the last delivery.

    Parameters
    ----------
    channel : DeliveryChannelName
        Kind of the receiver.
    name : str
        Name of the receiver.
    deliver : callable
        Sends some of the alerts, from the first on, and returns these; raises `DeliveryError`.
    store : DeliveryStore
        What was delivered.
    may_deliver : callable
        Returns whether this process is the one that delivers; another one does otherwise.
    in_flight : InFlight
        Counts the alerts that it works at.
    max_age : timedelta
        Older alerts are skipped.
    max_refusals : int
        Refusals without a delivery between that disable the channel [-]. Failures between them
        neither count nor end them: one that is away is tried again.
    pause_s : float
        Least time between two deliveries, unless more is pending than one takes [s].
    tell : callable or None
        Tells the operator, with a subject and a text, that the receiver is away or disabled.
    select : callable or None
        Returns those that the receiver wants, in their order; raises `CostlyError`. None: all.
    """

    def __init__(
        self,
        channel: DeliveryChannelName,
        name: str,
        deliver: Callable[[list[OutgoingAlert]], Coroutine[Any, Any, list[OutgoingAlert]]],
        *,
        store: DeliveryStore,
        may_deliver: Callable[[], Awaitable[bool]],
        in_flight: InFlight,
        max_age: timedelta,
        max_refusals: int,
        pause_s: float = 0.0,
        tell: Callable[[str, str], Awaitable[None]] | None = None,
        select: Callable[[list[PendingDelivery]], Awaitable[list[PendingDelivery]]] | None = None,
    ) -> None:
        self._channel = channel
        self._name = name
        self._deliver = deliver
        self._store = store
        self._may_deliver = may_deliver
        self._in_flight = in_flight
        self._max_age = max_age
        self._max_refusals = max_refusals
        self._pause_s = pause_s
        self._tell = tell
        self._select = select
        self._wake = asyncio.Event()
        self._refusals = RefusalCounter()
        # Whether this service failed, which no delivery has ended since.
        self._has_defect = False
        # When the operator was last told that it is away [s].
        self._told_s = float("-inf")

    def wake(self) -> None:
        """Read the database at once: there is a new alert."""
        self._wake.set()

    async def start(self) -> None:
        """Take the place of the receiver: what is alerted from now on is delivered.

        Raises
        ------
        TransientError
            If the database does not answer.
        """
        await self._store.ensure_subscriber(self._channel, self._name)

    async def run(self) -> NoReturn:
        """Deliver until the task is cancelled."""
        while True:
            try:
                await self._deliver_or_wait()
            except TransientError as error:
                await self._wait_for_database(error)
            except FatalError:
                raise
            except Exception as error:  # noqa: BLE001  (whatever it is: the other channels must go on)
                get_logger().exception(
                    "delivery_channel_failed", channel=self._channel, name=self._name
                )
                DELIVERY_ATTEMPTS.labels(self._channel, self._name, "failed").inc()
                await self._note_defect(error)
                await asyncio.sleep(_LONGEST_BACKOFF_S)

    async def _note_defect(self, error: Exception) -> None:
        """Let the owner of the receiver see that nothing is delivered, as far as possible."""
        self._has_defect = True
        with suppress(Exception):  # whatever it is: the log has the first one
            await self._store.count_failure(self._channel, self._name, describe_defect(error))

    async def _deliver_or_wait(self) -> None:
        """Deliver what is pending, or wait until something may be."""
        if not await self._may_deliver():
            await asyncio.sleep(_POLL_INTERVAL_S)
            return
        state = await self._store.ensure_subscriber(self._channel, self._name)
        if state.disabled_reason is not None:
            await asyncio.sleep(_DISABLED_POLL_INTERVAL_S)
            return
        self._wake.clear()
        pending = await self._store.list_pending_deliveries(
            self._channel, self._name, max_age=self._max_age, limit=_LIMIT
        )
        # What is behind a full page waits no pause more: a backlog would last for hours.
        pause_s = self._pause_s if len(pending) < _LIMIT else 0.0
        due = [each for each in pending if not each.is_old]
        if due and self._select is not None:
            try:
                due = await self._select(due)
            except CostlyError as error:
                await self._disable(str(error))
                return
        if due:
            await self._deliver_in_order(due, state, pause_s)
        elif pending:
            await self._advance(pending, [])
        elif self._has_defect:
            await self._store.clear_failure(self._channel, self._name)
            self._has_defect = False
        else:
            await self._is_woken_within(_POLL_INTERVAL_S)

    async def _deliver_in_order(
        self, due: list[PendingDelivery], state: SubscriberState, pause_s: float
    ) -> None:
        """Deliver until everything is delivered, an attempt fails or another process delivers."""
        self._has_defect = False  # what comes of it is noted from here on
        while due and await self._may_deliver():
            if await self._skips_poison(due[0]):
                del due[0]
                continue
            index = self._refusals.choose([each.id for each in due])
            if index is None:
                if await self._is_woken_within(_LONGEST_BACKOFF_S):
                    return  # a new alert may be accepted
                index = 0
            try:
                accepted = await self._offer(due, index)
            except RefusedError as error:
                is_first = self._refusals.add(due[index].id)
                reason = f"refused: {_to_reason(error)}"
                await self._handle_refusal(reason, state, is_counted=is_first)
                return
            except DeliveryError as error:
                await self._handle_failure(_to_reason(error), state)
                return
            self._refusals.clear()
            await self._advance(due[: len(accepted)], accepted)
            DELIVERY_ATTEMPTS.labels(self._channel, self._name, "delivered").inc()
            due, state = due[len(accepted) :], replace(state, n_failures=0, n_refusals=0)
            await asyncio.sleep(pause_s)

    async def _skips_poison(self, first: PendingDelivery) -> bool:
        """Skip an alert at which too many processes ended; return whether it was one."""
        try:
            self._in_flight.check(self._place_of(first))
        except RejectedMessageError as error:
            self._log_skipped(first.alert, f"{error.reason_code}: {error}")
            await self._advance([first], [False])
            return True
        return False

    async def _offer(self, due: list[PendingDelivery], index: int) -> list[bool]:
        """Send from `index` on; return for each alert from the first on if it was accepted."""
        sent = await self._try_to_deliver(due[index:])
        return [await self._offer_again(each) for each in due[:index]] + [True] * len(sent)

    async def _try_to_deliver(self, due: list[PendingDelivery]) -> list[OutgoingAlert]:
        """Send some alerts; return those that were sent.

        Raises
        ------
        DeliveryError
            Whatever went wrong. An alert at which the sending fails in a way that nobody expected,
            or at which processes ended, counts as refused: it is skipped when a later one goes
            through.
        """
        alerts, place = [each.alert for each in due], self._place_of(due[0])
        try:
            self._in_flight.check(place)
            return await self._in_flight.run(self._deliver(alerts), place)
        except RejectedMessageError as error:
            raise RefusedError(f"{error.reason_code}: {error}") from error
        except (DeliveryError, PipelineError):
            raise
        except Exception as error:
            get_logger().exception(
                "delivery_crashed", channel=self._channel, name=self._name, ivorn=alerts[0].ivorn
            )
            raise RefusedError(describe_defect(error)) from error

    def _place_of(self, pending: PendingDelivery) -> InMessage:
        """Return a delivery as if it were a message: its row is its offset."""
        return InMessage(f"{self._channel}.{self._name}", 0, pending.id, b"", b"")

    async def _offer_again(self, pending: PendingDelivery) -> bool:
        """Return whether a receiver that has just accepted a later alert accepts this one now."""
        try:
            await self._try_to_deliver([pending])
        except RefusedError as error:
            self._log_skipped(pending.alert, f"{_to_reason(error)}; later alerts are accepted")
            return False
        return True

    def _log_skipped(self, alert: OutgoingAlert, reason: str) -> None:
        DELIVERY_ATTEMPTS.labels(self._channel, self._name, "refused").inc()
        get_logger().error(
            "alert_refused", channel=self._channel, name=self._name, ivorn=alert.ivorn,
            reason=reason, action="skipped",
        )  # fmt: skip

    async def _advance(self, done: list[PendingDelivery], accepted: list[bool]) -> None:
        """Record what is done; while the database is away nothing else is sent."""
        now = datetime.now(UTC)
        is_acknowledged = {each.id: was for each, was in zip(done, accepted, strict=False)}
        while True:
            try:
                await self._store.advance(
                    self._channel, self._name, done[-1].id,
                    time_sent=now, is_acknowledged=is_acknowledged,
                )  # fmt: skip
            except TransientError as error:
                await self._wait_for_database(error)
            else:
                self._in_flight.attempts.end(*(self._place_of(each) for each in done))
                return

    async def _wait_for_database(self, error: TransientError) -> None:
        get_logger().debug(
            "delivery_postponed", channel=self._channel, name=self._name, error=str(error)
        )
        await asyncio.sleep(_RETRY_INTERVAL_S)

    async def _is_woken_within(self, longest_s: float) -> bool:
        """Wait for a new alert [s]; return whether there is one."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), longest_s)
        return self._wake.is_set()

    async def _handle_failure(self, reason: str, state: SubscriberState) -> None:
        """Log and count a failed attempt, and wait: the longer, the more there were."""
        self._log_failure(reason)
        await self._store.count_failure(self._channel, self._name, reason)
        n_failed = max(state.n_failures - state.n_refusals, 0) + 1
        if self._is_news(n_failed):
            self._told_s = time.monotonic()
            await self._tell_operator(
                "does not answer",
                f"{n_failed} attempts have failed since it last took an alert, the last one with:"
                f"\n{reason}\n\n"
                "Alerts wait for it; it is tried again every ten minutes at least.",
            )
        await _back_off(state.n_failures, _LONGEST_FAILURE_BACKOFF_S)

    def _is_news(self, n_failures: int) -> bool:
        """Return whether the operator is told of so many failures, not of each of many rows."""
        if n_failures != _TOLD_AFTER_FAILURES:
            return n_failures % _TOLD_EVERY_FAILURES == 0
        return time.monotonic() - self._told_s >= _TOLD_INTERVAL_S

    async def _handle_refusal(
        self, reason: str, state: SubscriberState, *, is_counted: bool
    ) -> None:
        """Log a refusal, disable the channel if there were too many, and wait."""
        self._log_failure(reason)
        n_refusals = 0
        if is_counted:
            n_refusals = await self._store.count_refusal(
                self._channel, self._name, reason, max_refusals=self._max_refusals
            )
        if n_refusals >= self._max_refusals:
            get_logger().error(
                "delivery_channel_disabled",
                channel=self._channel,
                name=self._name,
                reason=reason,
                action=f"correct it, then `livetrap alerts enable {self._channel} {self._name}`",
            )
            await self._tell_operator(
                "is disabled",
                f"It has refused {n_refusals} times and taken no alert between, the last time "
                f"with:\n{reason}\n\n"
                f"Correct it, then run: livetrap alerts enable {self._channel} {self._name}",
            )
        await _back_off(state.n_failures, _LONGEST_BACKOFF_S)

    async def _disable(self, reason: str) -> None:
        """Deliver no more until the channel is enabled."""
        await self._store.disable(self._channel, self._name, reason)
        get_logger().error(
            "delivery_channel_disabled", channel=self._channel, name=self._name, reason=reason,
            action=f"narrow it, then `livetrap alerts enable {self._channel} {self._name}`",
        )  # fmt: skip

    async def _tell_operator(self, what: str, text: str) -> None:
        """Send an e-mail, if there is a mail server; without it the log and `status` say so."""
        if self._tell is None:
            return
        try:
            await self._tell(f"{self._channel} {self._name} {what}", text)
        except DeliveryError as error:
            get_logger().warning(
                "operator_notification_failed",
                channel=self._channel,
                name=self._name,
                error=str(error),
            )

    def _log_failure(self, reason: str) -> None:
        DELIVERY_ATTEMPTS.labels(self._channel, self._name, "failed").inc()
        get_logger().warning(
            "delivery_failed", channel=self._channel, name=self._name, reason=reason
        )


def describe_defect(error: Exception) -> str:
    """Return what the owner of a receiver is told of an exception that nobody expected.

    What the exception says may have something of others in it: it is for the log of the operator.
    """
    return f"{type(error).__name__} in this service; the log of the operator says more"


def _to_reason(error: DeliveryError) -> str:
    """Return what a receiver said as one short line: it may have said anything."""
    text = str(error)
    shown = "".join(each if each.isprintable() else " " for each in text[:_MAX_REASON_CHARS])
    return shown if len(text) <= _MAX_REASON_CHARS else f"{shown} …"


async def _back_off(n_failures: int, longest_s: float) -> None:
    await asyncio.sleep(min(_FIRST_BACKOFF_S * 2 ** min(n_failures, 16), longest_s))
