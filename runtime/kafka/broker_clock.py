"""The clock of the broker, as its answers show it: two machines need not agree on the time."""

import time

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Message

__all__ = ["BrokerClock"]

_N_BOUNDS = 30


class BrokerClock:
    """Tells the broker's time, late by the fastest of some recent answers and never ahead.

    It learns from messages on a topic whose time is that of the broker (LogAppendTime), and goes
    on by the monotonic clock, which nobody sets. Until it has learned it is the clock of this
    machine.
    """

    def __init__(self) -> None:
        # Broker's time less monotonic time [s]. Replaced as a whole: threads read and write it.
        self._offsets_s: tuple[float, ...] = ()

    def learn(self, delivered: Message) -> None:
        """Learn from the report of a delivered message, called when the report has come."""
        kind, appended_ms = delivered.timestamp()
        if kind == TIMESTAMP_LOG_APPEND_TIME:
            offset_s = appended_ms / 1000 - time.monotonic()
            self._offsets_s = (*self._offsets_s[1 - _N_BOUNDS :], offset_s)

    def now_ms(self) -> int:
        """Return the time, since the epoch of Unix [ms]."""
        offsets_s = self._offsets_s
        if not offsets_s:
            return int(1000 * time.time())
        return int(1000 * (time.monotonic() + max(offsets_s)))
