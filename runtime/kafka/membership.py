"""Whether a member of a group is still in touch with it."""

import time
from collections.abc import Callable

from runtime.errors import FatalError

__all__ = ["Membership"]

# A group that is in order gives partitions, or none, within its session and a join.
_WAIT_S, _INTERVAL_S, _N_SILENT = 20.0, 10.0, 3
# One member that hangs keeps the others waiting for up to `max.poll.interval.ms`; they are started
# again meanwhile, which costs them nothing: nobody of such a group reads.
_LONGEST_S = 150.0


class Membership:
    """Finds a member whose client has lost its brokers for good.

    librdkafka removes the brokers that an answer about metadata does not list. The only broker of
    a cluster lists none while its controller takes it back, after a stop of some seconds: a
    client that asks then may know no broker ever after, whatever it is configured to do
    (https://github.com/confluentinc/librdkafka/issues/5301). Its session ends, it loses its
    partitions, and nothing tells it to join again.

    Parameters
    ----------
    clock : callable, optional
        Monotonic time [s].
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._without_since_s: float | None = None
        self._next_s = 0.0
        self._n_silent = 0

    def expect(self) -> None:
        """Note that the member has no partitions, and waits to hear which it gets, or none."""
        if self._without_since_s is None:
            self._without_since_s = self._clock()

    def confirm(self) -> None:
        """Note that the group has given the member its partitions, or none."""
        self._without_since_s = None
        self._n_silent = 0

    def check(self, answers_since_s: float | None, asks: Callable[[], bool]) -> None:
        """Refuse to wait for ever.

        Parameters
        ----------
        answers_since_s : float or None
            Since when the broker has answered another client; None: it does not [s].
        asks : callable
            Asks the broker with the member's own client, shortly; returns whether it answered.

        Raises
        ------
        FatalError
            If the broker answers others, but not this member, or has long left it without
            partitions: a new process joins again.
        """
        if self._without_since_s is None or answers_since_s is None:
            self._n_silent = 0
            return
        now_s = self._clock()
        waited_s = now_s - max(self._without_since_s, answers_since_s)
        if waited_s < _WAIT_S or now_s < self._next_s:
            return
        self._next_s = now_s + _INTERVAL_S
        self._n_silent = 0 if asks() else self._n_silent + 1
        if self._n_silent >= _N_SILENT or waited_s >= _LONGEST_S:
            raise FatalError(
                f"the group has given this consumer no partitions for {waited_s:.0f} s, though "
                "Kafka answers others: its client has lost the broker; a restart joins again"
            )
