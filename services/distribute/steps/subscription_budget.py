"""What a subscription may cost: CPU time for each alert, and alerts for each hour."""

from collections.abc import Sequence
from heapq import heappop, heappush

__all__ = ["SubscriptionBudget"]

_HOUR_S = 3600.0
# Fewer alerts say little about their cost.
_LEAST_ALERTS = 20


class SubscriptionBudget:
    """Sums up what one subscription costs; the caller gives it each alert once.

    Parameters
    ----------
    ms_per_alert : float
        Mean CPU time for an alert, of the newest twenty or more [ms].
    alerts_per_hour : int or None
        Alerts that it may get [1/h]; None: any number.
    """

    def __init__(self, *, ms_per_alert: float, alerts_per_hour: int | None) -> None:
        self._ms_per_alert = ms_per_alert
        self._alerts_per_hour = alerts_per_hour
        self._n_evaluated = 0
        self._used_s = 0.0
        # Those of the hour up to the newest one, as a heap.
        self._wanted_s: list[float] = []
        self._newest_s = float("-inf")

    def add(self, *, n_evaluated: int, used_s: float, wanted_s: Sequence[float]) -> str | None:
        """Count some alerts.

        Parameters
        ----------
        n_evaluated : int
            Alerts that were compared [-].
        used_s : float
            CPU time for all of them [s].
        wanted_s : sequence of float
            The hour to which each wanted alert counts: one time an alert [Unix s].

        Returns
        -------
        str or None
            Why the subscription is disabled; None: it is not.
        """
        return self._weigh_cost(n_evaluated, used_s) or self._weigh_number(wanted_s)

    def _weigh_cost(self, n_evaluated: int, used_s: float) -> str | None:
        self._n_evaluated += n_evaluated
        self._used_s += used_s
        if self._n_evaluated < _LEAST_ALERTS:
            return None
        mean_ms = 1000 * self._used_s / self._n_evaluated
        self._n_evaluated, self._used_s = 0, 0.0
        if mean_ms <= self._ms_per_alert:
            return None
        return (
            f"it costs {mean_ms:.1f} ms of CPU time an alert, more than "
            f"{self._ms_per_alert:g}: shorten the rule or the coverage map"
        )

    def _weigh_number(self, wanted_s: Sequence[float]) -> str | None:
        if self._alerts_per_hour is None:
            return None
        n_most = max((self._count_within_hour(time_s) for time_s in sorted(wanted_s)), default=0)
        if n_most <= self._alerts_per_hour:
            return None
        return (
            f"it wants {n_most} alerts in an hour, more than "
            f"{self._alerts_per_hour}: narrow the rule, the cone or the coverage map"
        )

    def _count_within_hour(self, time_s: float) -> int:
        """Add an alert; return how many there are in the hour up to the newest one."""
        heappush(self._wanted_s, time_s)
        self._newest_s = max(self._newest_s, time_s)
        while self._wanted_s[0] <= self._newest_s - _HOUR_S:
            heappop(self._wanted_s)
        return len(self._wanted_s)
