"""Produce messages, and wait until the broker has them."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as KafkaMessage

from runtime.errors import FatalError, TransientError

__all__ = ["OutMessage", "is_too_large", "produce_and_locate", "produce_and_wait", "send"]

# A message that is too large, for the client or the broker, for a segment of its topic.
_TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
# These errors come again with the message, whatever the broker does.
_ABOUT_THE_MESSAGE = frozenset(
    {
        *_TOO_LARGE,
        KafkaError.INVALID_MSG,
        KafkaError._INVALID_ARG,  # noqa: SLF001  (librdkafka's name)
    }
)
# A process that may not send any more finds out within this time while it waits for the broker.
_ASK_INTERVAL_S = 0.25


@dataclass(frozen=True, slots=True)
class OutMessage:
    """A message to be sent."""

    topic: str
    key: bytes
    value: bytes
    headers: Mapping[str, str | bytes] = field(default_factory=dict)


def is_too_large(error: KafkaError) -> bool:
    """Return whether a message is refused for its size: by the client, or by the broker."""
    return error.code() in _TOO_LARGE


def send(
    producer: Producer,
    message: OutMessage,
    on_done: Callable[[KafkaError | None], None],
    *,
    time_ms: int = 0,
) -> None:
    """Queue one message; wait while the queue is full, so that nothing is dropped.

    Parameters
    ----------
    producer : Producer
        Its queue.
    message : OutMessage
        What to send.
    on_done : callable
        Gets the error of the message, or None.
    time_ms : int
        Time of the message since the epoch of Unix; 0: the time when it is queued [ms].

    Raises
    ------
    TransientError
        If the client cannot take it now.
    FatalError
        If it never will.
    KafkaException
        If it will never take this message, whatever else.
    """
    _queue(producer, message, lambda error, _: on_done(error), time_ms=time_ms)


def _queue(
    producer: Producer,
    message: OutMessage,
    on_delivery: Callable[[KafkaError | None, KafkaMessage], None],
    *,
    time_ms: int = 0,
) -> None:
    while True:
        try:
            producer.produce(
                message.topic,
                key=message.key,
                value=message.value,
                headers=_to_wire_headers(message),
                timestamp=time_ms,
                on_delivery=on_delivery,
            )
        except BufferError:
            producer.poll(0.1)
        except KafkaException as error:
            if error.args[0].code() in _ABOUT_THE_MESSAGE:
                raise
            raise _translated(error) from error
        else:
            producer.poll(0)
            return


def _translated(error: KafkaException) -> FatalError | TransientError:
    """Return what an error of `produce` means: for the process, or for the moment."""
    reason = error.args[0]
    if reason.fatal() or reason.code() == KafkaError._FATAL:  # noqa: SLF001  (librdkafka's name)
        return FatalError(f"Kafka has ended this producer for good: {error}; a restart connects")
    return TransientError(f"Kafka does not take a message: {error}")


def _to_wire_headers(message: OutMessage) -> list[tuple[str, str | bytes | None]]:
    # An error may quote a file name that is no text; its dead letter must be sent all the same.
    return [
        (name, value.encode("utf-8", "replace") if isinstance(value, str) else value)
        for name, value in message.headers.items()
    ]


def produce_and_wait(
    producer: Producer,
    messages: Sequence[OutMessage],
    *,
    timeout_s: float = 30.0,
    may_send: Callable[[], bool] = lambda: True,
    now_ms: Callable[[], int] = lambda: 0,
) -> None:
    """Send messages and return when the broker has all of them.

    Parameters
    ----------
    producer : Producer
        Used by this call alone.
    messages : sequence of OutMessage
        Sent in this order.
    timeout_s : float
        Longest wait for the acknowledgements [s].
    may_send : callable
        Asked before each message, and while the broker has not answered; false if another process
        may be sending by now: what is still in the queue is then dropped.
    now_ms : callable
        Time of each message, read before `may_send` is asked: a broker that refuses old messages
        refuses what was allowed too long ago, however long the process stood still after it. 0:
        the time when it is queued [ms].

    Raises
    ------
    TransientError
        If one was not acknowledged in time, or may not be sent; some may have arrived.
    """
    failures: list[str] = []
    acknowledged = 0

    def on_done(error: KafkaError | None) -> None:
        nonlocal acknowledged
        if error is None:
            acknowledged += 1
        else:
            failures.append(str(error))

    for message in messages:
        time_ms = now_ms()
        _check(producer, may_send)
        send(producer, message, on_done, time_ms=time_ms)
    deadline_s = time.monotonic() + timeout_s
    while producer.flush(_ASK_INTERVAL_S) and time.monotonic() < deadline_s:
        _check(producer, may_send)
    if failures or acknowledged < len(messages):
        reason = failures[0] if failures else f"no answer within {timeout_s:.0f} s"
        raise TransientError(f"Kafka did not take {len(messages)} message(s): {reason}")


def _check(producer: Producer, may_send: Callable[[], bool]) -> None:
    if not may_send():
        producer.purge()
        producer.poll(0)  # reports them as failed
        raise TransientError("another process may be sending by now")


def produce_and_locate(
    producer: Producer, message: OutMessage, *, timeout_s: float = 120.0
) -> tuple[int, int]:
    """Send one message and return the partition and offset that it got.

    Raises
    ------
    TransientError
        If it was not acknowledged in time; else as of `send`.
    KafkaException
        If the client or the broker will never take this message.
    """
    place: list[tuple[int, int]] = []
    errors: list[KafkaError] = []

    def on_delivery(error: KafkaError | None, delivered: KafkaMessage) -> None:
        if error is None:
            place.append((int(delivered.partition() or 0), int(delivered.offset() or 0)))
        else:
            errors.append(error)

    _queue(producer, message, on_delivery)
    producer.flush(timeout_s)
    if place:
        return place[0]
    if errors and errors[0].code() in _ABOUT_THE_MESSAGE:
        raise KafkaException(errors[0])
    reason = f": {errors[0]}" if errors else f" within {timeout_s:.0f} s"
    raise TransientError(f"Kafka did not take a message{reason}")
