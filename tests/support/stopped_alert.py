"""The alert service, stopped by itself with alerts in the queue of its Kafka client.

``python -m tests.support.stopped_alert alert``: it sends the first `N_SENT` messages and those of
their batches. SIGCONT lets it go on, and its client sends the others.
"""

import os
import signal
from collections.abc import Sequence
from typing import Any

from confluent_kafka import Producer

from runtime.kafka import OutMessage, produce_and_wait
from services.alert.app import sender
from services.alert.app.service import main

__all__ = ["N_SENT", "stop_before_the_flush"]

# Ten alerts on three topics.
N_SENT = 30
_SEND_S = 60.0


class _StoppingProducer:
    """Does what a producer does, but its process stops before the queue is flushed."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)

    def __len__(self) -> int:
        return len(self._producer)

    def flush(self, timeout_s: float) -> int:
        """Stop; then let the threads of the client send before this one asks who leads."""
        os.kill(os.getpid(), signal.SIGSTOP)
        return self._producer.flush(max(timeout_s, _SEND_S))


def stop_before_the_flush() -> None:
    """Let alerts wait in the queue of the client, and stop the process while they do."""
    n_sent = 0

    def produce(producer: Any, messages: Sequence[OutMessage], **options: Any) -> None:
        nonlocal n_sent
        stopping = producer if n_sent < N_SENT else _StoppingProducer(producer)
        produce_and_wait(stopping, messages, **options)
        n_sent += len(messages)

    sender._LINGER_MS = 5000
    sender.produce_and_wait = produce


if __name__ == "__main__":
    stop_before_the_flush()
    main()
