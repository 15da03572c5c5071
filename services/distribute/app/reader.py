"""Messages of a topic into the event loop, from a thread that waits for them."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import wait
from typing import Any

from runtime.kafka import InMessage, TopicTail

__all__ = ["TailReader"]

_LIMIT = 500
# Messages of one turn of the event loop, in which nobody else has it: some milliseconds.
_PART = 20
_TIMEOUT_S = 0.5
_JOIN_S = 2.0
_STOP_CHECK_S = 0.1


class TailReader:
    """Calls back in the event loop with messages; confluent_kafka itself only blocks.

    Parameters
    ----------
    tail : TopicTail
        At the end of its topic; closed by `stop`.
    on_messages : callable
        Takes some messages at a time. Until it has, nothing more is read: Kafka keeps the rest.
        An exception of it ends the reading.
    on_failure : callable
        Gets the error that ended the reading.
    """

    def __init__(
        self,
        tail: TopicTail,
        *,
        on_messages: Callable[[Sequence[InMessage]], Coroutine[Any, Any, None]],
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
                    self._hand_over(messages[first : first + _PART])
        except BaseException as error:  # noqa: BLE001  (the process ends with it, whatever it is)
            if not self._is_stopping.is_set():
                self._loop.call_soon_threadsafe(self._on_failure, error)
        finally:
            self._tail.close()

    def _hand_over(self, messages: Sequence[InMessage]) -> None:
        """Return when some messages are taken, or the thread shall end."""
        if self._is_stopping.is_set():
            return
        taking = asyncio.run_coroutine_threadsafe(self._on_messages(messages), self._loop)
        while not self._is_stopping.is_set():
            if wait([taking], _STOP_CHECK_S).done:
                taking.result()
                return
        taking.cancel()
