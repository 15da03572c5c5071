"""When an ended program starts again: at once, then ever later, never given up."""

import os
import signal
from dataclasses import dataclass

__all__ = ["ExitSeries", "RestartPolicy", "describe_exit"]

_FIRST_DELAY_S = 1.0
# The second early exit in a row is no accident any more: the program counts as down.
_DOWN_AFTER_EXITS = 2


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How a program that keeps ending is restarted.

    Parameters
    ----------
    max_delay_s : float
        Longest pause before a start [s].
    steady_after_s : float
        Time that a service must run until earlier exits are forgotten [s].
    server_steady_after_s : float
        The same for Kafka and PostgreSQL, which take longer to find that they cannot go on [s].
    """

    max_delay_s: float = 60.0
    steady_after_s: float = 10.0
    server_steady_after_s: float = 60.0

    def delay_s(self, exits_in_a_row: int) -> float:
        """Return the pause after the n-th early exit [s]: 0, 1, 2, 4, ... up to the longest."""
        if exits_in_a_row <= 1:
            return 0.0
        # The exponent is bounded: after a night of exits 2**n is no float any more.
        return min(self.max_delay_s, _FIRST_DELAY_S * 2.0 ** min(exits_in_a_row - 2, 30))


class ExitSeries:
    """The exits of one program since it last ran steadily.

    Parameters
    ----------
    policy : RestartPolicy
        What counts as steady, and the pauses.
    is_server : bool
        It is Kafka or PostgreSQL.
    """

    def __init__(self, policy: RestartPolicy, *, is_server: bool = False) -> None:
        self.policy = policy
        self.is_server = is_server
        self.n_exits = 0
        self.last_exit = ""
        self._since_unix_s = 0.0

    def add(self, how: str, *, ran_s: float, now_unix_s: float) -> float:
        """Count an exit and return the pause before the next start.

        Parameters
        ----------
        how : str
            Exit code or signal in words.
        ran_s : float
            Time from start to exit [s].
        now_unix_s : float
            Time of the exit [unix s].

        Returns
        -------
        float
            The pause [s].
        """
        self.last_exit = how
        self.forget_if_steady(ran_s)
        if self.n_exits == 0:
            self._since_unix_s = now_unix_s
        self.n_exits += 1
        return self.policy.delay_s(self.n_exits)

    def is_steady(self, ran_s: float) -> bool:
        """Return whether a run of this length [s] makes earlier exits the past."""
        policy = self.policy
        return ran_s >= (policy.server_steady_after_s if self.is_server else policy.steady_after_s)

    def forget_if_steady(self, ran_s: float) -> None:
        """Forget the exits of the past once the program has run long enough [s]."""
        if self.is_steady(ran_s):
            self.n_exits = 0

    def down_since_unix_s(self, *, is_running: bool) -> float | None:
        """Return since when the program is down [unix s]; None if it works.

        Parameters
        ----------
        is_running : bool
            Whether it has a process that is not just starting.

        Returns
        -------
        float or None
            Time of the first exit of the series; 0 before the first start.
        """
        if is_running and self.n_exits < _DOWN_AFTER_EXITS:
            return None
        return self._since_unix_s if self.n_exits else 0.0


def describe_exit(wait_status: int) -> str:
    """Return how a process ended, in words, from its status of `os.waitpid`."""
    if os.WIFSIGNALED(wait_status):
        number = os.WTERMSIG(wait_status)
        try:
            return f"killed by {signal.Signals(number).name}"
        except ValueError:
            return f"killed by signal {number}"
    return f"exit code {os.waitstatus_to_exitcode(wait_status)}"
