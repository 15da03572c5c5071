"""Messages that can never be processed: built, logged, counted and sent in one way."""

import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from confluent_kafka import Producer

from runtime.errors import PipelineError, RejectedMessageError
from runtime.kafka import MAX_MESSAGE_BYTES, InMessage, OutMessage, produce_and_wait
from runtime.logging import get_logger
from runtime.metrics import DEAD_LETTERS

__all__ = ["DeadLetters", "log_rejection"]


# Largest key and headers of a dead letter: Kafka's size limit includes them.
_LONGEST_ERROR = 4000
_ORIGIN = ("topic", "partition", "offset", "service", "reason", "error", "time")
_MOST_HEADER_BYTES = 64 << 10
_MOST_KEY_BYTES = 4 << 10
_MOST_VALUE_BYTES = MAX_MESSAGE_BYTES - (1 << 20)
# Of those that wait; who can pause does so then. Objects of a small one have a kilobyte or two.
_FULL_BYTES, _OBJECT_BYTES = 32 << 20, 2000


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
        self._n_bytes = 0
        # `send` runs in a thread of its own.
        self._lock = threading.Lock()

    @property
    def is_full(self) -> bool:
        """Whether many wait, in bytes: who can pause shall do so."""
        return self._n_bytes >= _FULL_BYTES

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
            "error": str(error)[:_LONGEST_ERROR],
            "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        }
        return _fit(OutMessage(self._topic, message.key, message.value, message.headers | origin))

    def add(self, message: InMessage, error: RejectedMessageError) -> None:
        """Log a rejected message and keep its dead letter for `send`."""
        log_rejection(message, error)
        letter = self.build(message, error)
        with self._lock:
            self._pending.append(letter)
            self._n_bytes += _count_bytes([letter])

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
        if pending := self.pending:
            produce_and_wait(producer, pending, timeout_s=timeout_s)
            with self._lock:  # another thread may have added one meanwhile
                del self._pending[: len(pending)]
                self._n_bytes -= _count_bytes(pending)

    def clear(self) -> None:
        """Discard the pending dead letters, once they are on Kafka."""
        with self._lock:
            self._pending.clear()
            self._n_bytes = 0


def _count_bytes(letters: Iterable[OutMessage]) -> int:
    """Return about what letters take of the memory [bytes]."""
    return sum(
        _OBJECT_BYTES
        + len(letter.key)
        + len(letter.value)
        + sum(len(name) + len(value) for name, value in letter.headers.items())
        for letter in letters
    )


def _fit(letter: OutMessage) -> OutMessage:
    """Return a dead letter within Kafka's size limit; a header lists what was cut."""
    cut: dict[str, str] = {}
    headers = dict(letter.headers)
    size = sum(len(name) + len(value) for name, value in headers.items())
    if size > _MOST_HEADER_BYTES:
        headers = {name: headers[name] for name in _ORIGIN if name in headers}
        cut["headers-omitted"] = f"{size} bytes"
    if len(letter.value) > _MOST_VALUE_BYTES:
        cut["value-cut"] = f"{len(letter.value)} bytes"
    if len(letter.key) > _MOST_KEY_BYTES:
        cut["key-cut"] = f"{len(letter.key)} bytes"
    return OutMessage(
        letter.topic,
        letter.key[:_MOST_KEY_BYTES],
        letter.value[:_MOST_VALUE_BYTES],
        headers | cut,
    )
