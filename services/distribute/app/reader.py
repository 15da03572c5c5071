"""Messages of a topic into the event loop, from a thread that waits for them."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from runtime.kafka import InMessage, TopicTail

__all__ = ["TailReader"]

T = TypeVar("T")
_LIMIT = 500
# Messages of one turn of the event loop, in which nobody else has it: some milliseconds.
_PART = 20
_TIMEOUT_S = 0.5
_JOIN_S = 2.0


class TailReader:
    """Calls back in the event loop with messages; confluent_kafka itself only blocks.

    Parameters
    ----------
    tail : TopicTail
        At the end of its topic; closed by `stop`.
    on_messages : callable
        Gets some messages at a time; an exception of it ends the reading.
    on_failure : callable
        Gets the error that ended the reading.
    """

    def __init__(
        self,
        tail: TopicTail,
        *,
        on_messages: Callable[[Sequence[InMessage]], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._tail = tail
        self._on_messages = on_messages
        self._on_failure = on_failure
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kafka-reader", daemon=True)

    def start(self) -> None:
        """Start the thread; call it from the event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def stop(self) -> None:
        """End the thread and close the consumer."""
        self._is_stopping.set()
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        try:
            while not self._is_stopping.is_set():
                messages = self._tail.read(limit=_LIMIT, timeout_s=_TIMEOUT_S)
                for first in range(0, len(messages), _PART):
                    self._call(self._hand_over, messages[first : first + _PART])
        except BaseException as error:  # noqa: BLE001  (the process ends with it, whatever it is)
            self._call(self._on_failure, error)
        finally:
            self._tail.close()

    def _hand_over(self, messages: Sequence[InMessage]) -> None:
        try:
            self._on_messages(messages)
        except Exception as error:  # noqa: BLE001  (the process ends with it, whatever it is)
            self._on_failure(error)

    def _call(self, function: Callable[[T], None], argument: T) -> None:
        if not self._is_stopping.is_set():
            self._loop.call_soon_threadsafe(function, argument)
