"""How long a test waits before it asks again."""

import time

__all__ = ["Pause"]

# A question that makes a client of Kafka takes 20 ms of CPU time, and of a database 10: asked 20
# times a second, by each of six processes, it takes the processors that the answer waits for.
_SHARE = 8
_GROWTH = 1.1
_LONGEST_S = 1.0


class Pause:
    """The pauses between questions; from wait to wait they grow to some times what one costs.

    What comes soon is seen soon: a test that kills in the middle has to see the middle.

    Parameters
    ----------
    shortest_s : float
        The first pause, and each after a question that costs next to nothing [s].
    """

    def __init__(self, shortest_s: float) -> None:
        self._shortest_s = self._next_s = shortest_s
        self._asked_s = time.process_time()

    def sleep(self) -> None:
        """Sleep after a question."""
        cost_s = time.process_time() - self._asked_s
        enough_s = max(self._shortest_s, min(_LONGEST_S, _SHARE * cost_s))
        time.sleep(min(self._next_s, enough_s))
        self._next_s *= _GROWTH
        self._asked_s = time.process_time()
