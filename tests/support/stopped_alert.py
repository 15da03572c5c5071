"""The alert service, stopped by itself before its Kafka client has the last of some alerts.

``python -m tests.support.stopped_alert alert``: it sends the first `N_SENT` messages and those of
their batches but the last one. When it goes on, it gives that to its client, which sends it.
"""

import signal
import threading
from collections.abc import Sequence
from typing import Any

from confluent_kafka import Producer

from runtime.kafka import OutMessage, produce_and_wait
from services.alert.app import sender
from services.alert.app.service import main

__all__ = ["N_SENT", "stop_before_the_queue"]

# Ten alerts on three topics.
N_SENT = 30
_SEND_S = 60.0


class _StoppingProducer:
    """Does what a producer does, but its process stops when the last message is given to it."""

    def __init__(self, producer: Producer, n_messages: int) -> None:
        self._producer = producer
        self._n_left = n_messages

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)

    def __len__(self) -> int:
        return len(self._producer)

    def produce(self, *message: Any, **options: Any) -> None:
        """Stop between the permission to send and the queue of the client."""
        self._n_left -= 1
        if not self._n_left:
            # To this thread: one to the process may stop another thread first, and this one later.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        self._producer.produce(*message, **options)

    def flush(self, timeout_s: float) -> int:
        """Let the client send before this process asks again who leads."""
        return self._producer.flush(max(timeout_s, _SEND_S))


def stop_before_the_queue() -> None:
    """Stop the process when it may send an alert, and before its client has all of it."""
    n_sent = 0

    def produce(producer: Any, messages: Sequence[OutMessage], **options: Any) -> None:
        nonlocal n_sent
        stopping = producer if n_sent < N_SENT else _StoppingProducer(producer, len(messages))
        produce_and_wait(stopping, messages, **options)
        n_sent += len(messages)

    sender._LINGER_MS = 5000
    sender.produce_and_wait = produce  # type: ignore[attr-defined]


if __name__ == "__main__":
    stop_before_the_queue()
    main()
