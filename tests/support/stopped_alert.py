"""The alert service, stopped by itself with its first alerts in the queue of its Kafka client.

``python -m tests.support.stopped_alert alert``; SIGCONT lets it go on, and its client sends them.
"""

import os
import signal
from collections.abc import Sequence
from typing import Any

from confluent_kafka import Producer

from runtime.kafka import OutMessage, produce_and_wait
from services.alert.app import sender
from services.alert.app.service import main

__all__ = ["stop_before_the_flush"]


class _StoppingProducer:
    """Does what a producer does, but its process stops before the queue is flushed."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)

    def __len__(self) -> int:
        return len(self._producer)

    def flush(self, timeout_s: float) -> int:
        os.kill(os.getpid(), signal.SIGSTOP)
        return self._producer.flush(timeout_s)


def _produce(producer: Producer, messages: Sequence[OutMessage], **options: Any) -> None:
    produce_and_wait(_StoppingProducer(producer), messages, **options)  # type: ignore[arg-type]


def stop_before_the_flush() -> None:
    """Let alerts wait in the queue of the client, and stop the process while they do."""
    sender._LINGER_MS = 5000
    sender.produce_and_wait = _produce


if __name__ == "__main__":
    stop_before_the_flush()
    main()
