"""Who may connect, and how often."""

import ipaddress
from collections import Counter, deque
from collections.abc import Sequence

from pydantic import IPvAnyNetwork

from runtime.settings import VtpSettings

__all__ = ["ConnectionLimiter"]

_WINDOW_S = 60.0
# Hosts whose connects are remembered; beyond, the oldest are forgotten.
_MOST_HOSTS = 10_000


class ConnectionLimiter:
    """Decides at the door, from the address alone.

    Parameters
    ----------
    settings : VtpSettings
        How many at once.
    allow : sequence of networks
        Who may connect.
    per_minute : int
        How often one address may [1/min].
    """

    def __init__(
        self, settings: VtpSettings, *, allow: Sequence[IPvAnyNetwork], per_minute: int
    ) -> None:
        self._settings = settings
        self._allow = allow
        self._per_minute = per_minute
        self._inside: Counter[str] = Counter()
        self._knocks: dict[str, deque[float]] = {}

    def refuse(self, host: str, now_s: float) -> str | None:
        """Return why a connection is refused, a stable code; None lets it in, and counts it."""
        if not self._is_allowed(host):
            return "not_allowed"
        if self._inside.total() >= self._settings.max_subscribers:
            return "full"
        if self._inside[host] >= self._settings.max_per_host:
            return "too_many"
        if self._is_too_often(host, now_s):
            return "too_often"
        self._inside[host] += 1
        return None

    def leave(self, host: str) -> None:
        """Forget a connection that was let in."""
        self._inside[host] -= 1
        if self._inside[host] <= 0:
            del self._inside[host]

    def _is_allowed(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host.split("%", maxsplit=1)[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._allow)

    def _is_too_often(self, host: str, now_s: float) -> bool:
        knocks = self._knocks.pop(host, deque())
        self._knocks[host] = knocks  # the newest last
        while len(self._knocks) > _MOST_HOSTS:
            del self._knocks[next(iter(self._knocks))]
        while knocks and now_s - knocks[0] > _WINDOW_S:
            knocks.popleft()
        if len(knocks) >= self._per_minute:
            return True
        knocks.append(now_s)
        return False
