"""What a subscription may cost: CPU time for each alert, and alerts for each hour."""

from collections import deque

__all__ = ["SubscriptionBudget"]

_HOUR_S = 3600.0
# Fewer alerts say little about their cost.
_LEAST_ALERTS = 20


class SubscriptionBudget:
    """Sums up what one subscription costs.

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
        self._wanted_s: deque[float] = deque()

    def add(self, *, n_evaluated: int, used_s: float, n_wanted: int, now_s: float) -> str | None:
        """Count some alerts.

        Parameters
        ----------
        n_evaluated : int
            Alerts that were compared [-].
        used_s : float
            CPU time for all of them [s].
        n_wanted : int
            Those that are wanted [-].
        now_s : float
            Reading of a monotonic clock [s].

        Returns
        -------
        str or None
            Why the subscription is disabled; None: it is not.
        """
        self._n_evaluated += n_evaluated
        self._used_s += used_s
        if self._n_evaluated >= _LEAST_ALERTS:
            mean_ms = 1000 * self._used_s / self._n_evaluated
            self._n_evaluated, self._used_s = 0, 0.0
            if mean_ms > self._ms_per_alert:
                return (
                    f"it costs {mean_ms:.1f} ms of CPU time an alert, more than "
                    f"{self._ms_per_alert:g}: shorten the rule or the coverage map"
                )
        if self._alerts_per_hour is None:
            return None
        self._wanted_s.extend([now_s] * n_wanted)
        while self._wanted_s and self._wanted_s[0] <= now_s - _HOUR_S:
            self._wanted_s.popleft()
        if len(self._wanted_s) > self._alerts_per_hour:
            return (
                f"it wants {len(self._wanted_s)} alerts in an hour, more than "
                f"{self._alerts_per_hour}: narrow the rule, the cone or the coverage map"
            )
        return None
