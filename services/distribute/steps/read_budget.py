"""Rate limits on what subscribers send: for each address and in total."""

from runtime.listening import site_of

__all__ = ["ReadBudget"]

# Addresses that are remembered; beyond, those whose accounts are full are forgotten.
_MAX_PARTIES = 10_000
_RECOUNT_S = 0.1


class ReadBudget:
    """Says how long to read nothing more from an address after something was read.

    Each address has an account that fills at its rate and is never fuller than `burst_s` of it.
    Those whose accounts are less than half full share the total evenly, so that one that sends
    little never waits for those that send much.

    Parameters
    ----------
    per_host : float
        Units of work of one address [1/s].
    total : float
        Units of work of all addresses that send much together [1/s].
    burst_s : float
        What an address may spend at once after a pause, as time of its rate [s].
    """

    def __init__(self, *, per_host: float, total: float, burst_s: float) -> None:
        self._per_host = per_host
        self._total = total
        self._burst_s = burst_s
        # When the work of an address is paid for [s].
        self._paid_s: dict[str, float] = {}
        self._n_busy = 0
        self._counted_s = float("-inf")

    def spend(self, host: str, units: float, now_s: float) -> float:
        """Book work and return how long to wait before the next [s]."""
        party = site_of(host)
        earliest_s = now_s - self._burst_s
        paid_s = max(self._paid_s.get(party, earliest_s), earliest_s)
        self._paid_s[party] = paid_s + units / self._rate(now_s)
        return max(0.0, self._paid_s[party] - now_s)

    def refund(self, host: str, units: float) -> None:
        """Give back what was spent on something that is welcome, such as an acknowledgement."""
        party = site_of(host)
        if party in self._paid_s:
            self._paid_s[party] -= units / self._per_host

    def _rate(self, now_s: float) -> float:
        """Return the rate of an address: its own, or its share of the total [1/s]."""
        if now_s - self._counted_s >= _RECOUNT_S:
            self._counted_s = now_s
            half_full_s = now_s - self._burst_s / 2
            self._n_busy = sum(paid_s > half_full_s for paid_s in self._paid_s.values())
            if len(self._paid_s) > _MAX_PARTIES:
                self._forget(now_s)
        return min(self._per_host, self._total / max(1, self._n_busy))

    def _forget(self, now_s: float) -> None:
        """Forget accounts that are full again."""
        earliest_s = now_s - self._burst_s
        self._paid_s = {
            party: paid_s for party, paid_s in self._paid_s.items() if paid_s > earliest_s
        }
