"""Topic ``alerts-voevent-v1``: every alert to the VTP subscribers of this process, once."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import NoReturn

from runtime.dead_letters import DeadLetters
from runtime.errors import (
    FatalError,
    RejectedMessageError,
    TransientError,
    describe_exception,
    to_internal_error,
)
from runtime.in_flight import InFlight
from runtime.kafka import InMessage
from runtime.logging import get_logger
from services.distribute.metrics import ALERTS, LATENCY
from services.distribute.models import AlertKey
from services.distribute.steps.packet import read_ivorn
from services.distribute.storage import AlertStore

__all__ = ["AlertHandler"]

_CHECK_INTERVAL_S = 5.0
_LIMIT = 1000
_MAX_REMEMBERED = 20_000


class AlertHandler:
    """Broadcasts an alert when Kafka brings it, or when the database has it and Kafka does not.

    Kafka is the fast way. The database decides what exists: every few seconds the rows that
    were there at the last check are compared with what was broadcast, and the rest follows.

    Parameters
    ----------
    store : AlertStore
        What exists.
    broadcast : callable
        Queues ivorn and packet for every subscriber and returns their number; never waits.
    wake : callable
        Called for every alert: webhooks and other channels read the database then.
    dead_letters : DeadLetters
        Get the messages that are no alerts, and those whose broadcast fails.
    in_flight : InFlight
        Counts the messages that it works at.
    """

    def __init__(
        self,
        store: AlertStore,
        *,
        broadcast: Callable[[str, bytes], int],
        wake: Callable[[], object],
        dead_letters: DeadLetters,
        in_flight: InFlight,
    ) -> None:
        self._in_flight = in_flight
        self._store = store
        self._broadcast = broadcast
        self._wake = wake
        self._dead_letters = dead_letters
        self._done: dict[str, None] = {}
        self._checked_id = self._newest_id = 0

    async def start(self) -> None:
        """Take what exists now as broadcast; named subscribers ask for what they missed.

        Raises
        ------
        TransientError
            If the database is away.
        """
        self._checked_id = self._newest_id = await self._store.get_last_id()

    def on_messages(self, messages: Sequence[InMessage]) -> None:
        """Broadcast alerts from Kafka in their order; one that cannot be becomes a dead letter.

        One after the other is counted as in flight, under one limit of time, unless a process
        has ended at one of them.
        """
        if self._in_flight.attempts.n_ended(*messages):
            for message in messages:
                self.on_message(message)
            return
        with closing(self._in_flight.work_through(messages)) as counted:
            for message in counted:
                self._broadcast_or_reject(message)

    def on_message(self, message: InMessage) -> None:
        """Broadcast an alert from Kafka; one that cannot be becomes a dead letter."""
        try:
            self._in_flight.check(message)
        except RejectedMessageError as error:
            self._in_flight.attempts.end(message)
            self._dead_letters.add(message, error)
        else:
            with self._in_flight.work_at(message):
                self._broadcast_or_reject(message)

    def _broadcast_or_reject(self, message: InMessage) -> None:
        try:
            self._on_alert_twice(message)
        except RejectedMessageError as error:
            self._dead_letters.add(message, error)

    def _on_alert_twice(self, message: InMessage) -> None:
        """Broadcast an alert; after an unexpected exception once more, it may be a passing one."""
        try:
            self._on_alert(message)
        except RejectedMessageError:
            raise
        except Exception as error:  # noqa: BLE001  (whatever it is: the next alerts must follow)
            get_logger().warning("message_failed_once", error=describe_exception(error))
        else:
            return
        try:
            self._on_alert(message)
        except RejectedMessageError:
            raise
        except Exception as error:
            get_logger().exception(
                "message_failed", topic=message.topic, partition=message.partition,
                offset=message.offset,
            )  # fmt: skip
            raise to_internal_error(error) from error

    def _on_alert(self, message: InMessage) -> None:
        ivorn = read_ivorn(message.value)
        if self._broadcast_once(ivorn, message.value, origin="kafka") and message.time_appended:
            LATENCY.observe((datetime.now(UTC) - message.time_appended).total_seconds())

    async def run(self) -> NoReturn:
        """Check the database until the task is cancelled."""
        while True:
            await asyncio.sleep(_CHECK_INTERVAL_S)
            try:
                await self.check()
            except TransientError as error:
                get_logger().debug("check_postponed", error=str(error))
            except FatalError:
                raise
            except Exception:  # noqa: BLE001  (whatever it is: what comes over Kafka must follow)
                get_logger().exception("check_failed")

    async def check(self) -> None:
        """Broadcast the alerts that existed at the last check and have not come over Kafka.

        Raises
        ------
        TransientError
            If the database is away.
        """
        while self._checked_id < self._newest_id:
            keys = await self._store.list_keys(self._checked_id, limit=_LIMIT)
            due = [key for key in keys if key.id <= self._newest_id]
            await self._broadcast_missing(due)
            self._checked_id = due[-1].id if due else self._newest_id
        self._newest_id = await self._store.get_last_id()

    async def _broadcast_missing(self, keys: list[AlertKey]) -> None:
        missing = [key.id for key in keys if key.ivorn not in self._done]
        if not missing:
            return
        for ivorn, packet in (await self._store.select_packets(missing)).items():
            try:
                self._broadcast_once(ivorn, packet, origin="database")
            except Exception:  # noqa: BLE001  (whatever it is: the next alerts must follow)
                get_logger().exception("broadcast_failed", ivorn=ivorn)

    def _broadcast_once(self, ivorn: str, packet: bytes, *, origin: str) -> bool:
        """Broadcast an alert unless this process has done so; return whether it did."""
        if ivorn in self._done:
            return False
        n_subscribers = self._broadcast(ivorn, packet)
        self._done[ivorn] = None
        while len(self._done) > _MAX_REMEMBERED:
            del self._done[next(iter(self._done))]
        self._wake()
        ALERTS.labels(origin).inc()
        get_logger().info("alert_broadcast", ivorn=ivorn, subscribers=n_subscribers, origin=origin)
        return True
