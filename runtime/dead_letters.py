"""Messages that can never be processed: built, logged, counted and sent in one way."""

from collections.abc import Sequence
from datetime import UTC, datetime

from confluent_kafka import Producer

from runtime.errors import PipelineError, RejectedMessageError
from runtime.kafka import InMessage, OutMessage, produce_and_wait
from runtime.logging import get_logger
from runtime.metrics import DEAD_LETTERS

__all__ = ["DeadLetters", "log_rejection"]


def log_rejection(message: InMessage, error: RejectedMessageError) -> None:
    """Log which message is rejected, and why."""
    get_logger().warning(
        "message_rejected",
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        reason=error.reason_code,
        error=str(error),
    )


class DeadLetters:
    """The dead letters of one service; those added wait until `send` has delivered them.

    Parameters
    ----------
    topic : str
        Topic of the dead letters.
    service : str
        Name of the service, for the header and the metric.
    """

    def __init__(self, *, topic: str, service: str) -> None:
        self._topic = topic
        self._service = service
        self._pending: list[OutMessage] = []

    @property
    def pending(self) -> Sequence[OutMessage]:
        """Those that were added and are not on Kafka yet."""
        return tuple(self._pending)

    def build(self, message: InMessage, error: PipelineError) -> OutMessage:
        """Count and return the dead letter of `message`, for a caller that sends it itself.

        Parameters
        ----------
        message : InMessage
            Its bytes, key and headers are kept.
        error : PipelineError
            Becomes the headers ``reason`` and ``error``.
        """
        reason = error.reason_code if isinstance(error, RejectedMessageError) else "failed"
        DEAD_LETTERS.labels(self._service, reason).inc()
        origin = {
            "topic": message.topic,
            "partition": str(message.partition),
            "offset": str(message.offset),
            "service": self._service,
            "reason": reason,
            "error": str(error),
            "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        }
        return OutMessage(self._topic, message.key, message.value, message.headers | origin)

    def add(self, message: InMessage, error: RejectedMessageError) -> None:
        """Log a rejected message and keep its dead letter for `send`."""
        log_rejection(message, error)
        self._pending.append(self.build(message, error))

    def send(self, producer: Producer, *, timeout_s: float = 30.0) -> None:
        """Send what is pending and return when the broker has all of it.

        Parameters
        ----------
        producer : Producer
            Client of the service.
        timeout_s : float
            Longest wait for the acknowledgements [s].

        Raises
        ------
        TransientError
            If one was not acknowledged in time; all of them are still pending then.
        """
        if letters := self.pending:
            produce_and_wait(producer, letters, timeout_s=timeout_s)
            del self._pending[: len(letters)]  # another thread may have added one meanwhile

    def clear(self) -> None:
        """Forget what is pending, once it is on Kafka."""
        self._pending.clear()
