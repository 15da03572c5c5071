"""Forced measurements that wait are stored together; one that cannot be, alone."""

import time
from collections.abc import Sequence

from runtime.dead_letters import DeadLetters
from runtime.errors import PipelineError, RejectedMessageError, describe_exception
from runtime.in_flight import InFlight
from runtime.kafka import InMessage
from runtime.logging import get_logger
from schemas.messages import ForcedMeasurements
from services.associate.handlers.forced_measurements import ForcedMeasurementsHandler, read_result
from services.associate.handlers.outbox_relay import OutboxRelay
from services.associate.handlers.single_messages import SingleMessages
from services.associate.steps.forced_results import check_result

__all__ = ["ForcedBatches", "most_messages"]

_MOST_MESSAGES = 64
# Timesteps wait while answers are stored.
_MOST_S = 0.2


class ForcedBatches:
    """Stores forced measurements, many of a stream in one transaction.

    Parameters
    ----------
    handler : ForcedMeasurementsHandler
        Stores them.
    in_flight : InFlight
        Counts the messages that it works at.
    dead_letters : DeadLetters
        Take what cannot be stored.
    outbox : OutboxRelay
        Publishes what follows.

    Attributes
    ----------
    most_messages : int
        So many are stored before something else is done: what lately took 200 ms, at most 64.
    """

    def __init__(
        self,
        handler: ForcedMeasurementsHandler,
        in_flight: InFlight,
        *,
        dead_letters: DeadLetters,
        outbox: OutboxRelay,
    ) -> None:
        self._handler = handler
        self._in_flight = in_flight
        self._outbox = outbox
        self._single = SingleMessages(in_flight, dead_letters)
        self.most_messages = _MOST_MESSAGES

    def split(self, messages: Sequence[InMessage]) -> list[list[InMessage]]:
        """Return messages in batches: those of a stream that are valid, in their order.

        A message at which a process has ended is alone, as is one that will be refused.
        """
        batches: list[list[InMessage]] = []
        open_batches: dict[str, list[InMessage]] = {}
        for message in messages:
            result = self._read(message)
            batch = open_batches.get(result.stream) if result else None
            if batch is None:
                batch = []
                batches.append(batch)
            batch.append(message)
            if result is None:
                open_batches.clear()  # nothing of its stream, which is not known, goes before it
            else:
                open_batches[result.stream] = batch
        return batches

    def _read(self, message: InMessage) -> ForcedMeasurements | None:
        """Return the result in a message that may be stored with others."""
        if self._in_flight.attempts.n_ended(message):
            return None
        try:
            result = read_result(message)
            check_result(result)
        except RejectedMessageError:
            return None
        return result

    async def store(self, batch: Sequence[InMessage]) -> None:
        """Store a batch; what cannot be stored becomes a dead letter, and the others are stored.

        Raises
        ------
        TransientError
            If PostgreSQL is away.
        """
        started_s = time.monotonic()
        if len(batch) == 1 or not await self._store_together(batch):
            for message in batch:
                await self._single.store_or_refuse(self._store_result, message)
        self.most_messages = most_messages(time.monotonic() - started_s, len(batch))

    async def _store_together(self, batch: Sequence[InMessage]) -> bool:
        """Store a batch in one transaction; return whether it could be."""
        try:
            results = [read_result(message) for message in batch]
            has_messages = await self._in_flight.run(self._handler.store(results), *batch)
        except RejectedMessageError as error:
            get_logger().info("forced_batch_split", n=len(batch), error=str(error))
            return False
        except PipelineError:
            raise
        except Exception as error:  # noqa: BLE001  (the others must be stored)
            get_logger().warning(
                "forced_batch_split", n=len(batch), error=describe_exception(error)
            )
            return False
        if has_messages:
            self._outbox.expect()
        return True

    async def _store_result(self, message: InMessage) -> None:
        if await self._handler.on_message(message):
            self._outbox.expect()


def most_messages(spent_s: float, n_messages: int) -> int:
    """Return how many messages fit into 200 ms, at most 64, by what the last ones took."""
    return max(1, min(_MOST_MESSAGES, int(_MOST_S * n_messages / max(spent_s, 1e-6))))
