"""Messages of a topic into the event loop, from a thread that waits for them."""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from runtime.kafka import InMessage, TopicTail

__all__ = ["TailReader"]

T = TypeVar("T")
_LIMIT = 500
_TIMEOUT_S = 0.5
_JOIN_S = 2.0


class TailReader:
    """Calls back in the event loop for every message; confluent_kafka itself only blocks.

    Parameters
    ----------
    tail : TopicTail
        At the end of its topic; closed by `stop`.
    on_message : callable
        Gets each message; an exception of it ends the reading.
    on_failure : callable
        Gets the error that ended the reading.
    """

    def __init__(
        self,
        tail: TopicTail,
        *,
        on_message: Callable[[InMessage], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._tail = tail
        self._on_message = on_message
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
                for message in self._tail.read(limit=_LIMIT, timeout_s=_TIMEOUT_S):
                    self._call(self._hand_over, message)
        except BaseException as error:  # noqa: BLE001  (the process ends with it, whatever it is)
            self._call(self._on_failure, error)
        finally:
            self._tail.close()

    def _hand_over(self, message: InMessage) -> None:
        try:
            self._on_message(message)
        except Exception as error:  # noqa: BLE001  (the process ends with it, whatever it is)
            self._on_failure(error)

    def _call(self, function: Callable[[T], None], argument: T) -> None:
        if not self._is_stopping.is_set():
            self._loop.call_soon_threadsafe(function, argument)
