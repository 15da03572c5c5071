"""Which addresses may connect, how many at once and how often."""

import ipaddress
from collections import Counter, deque
from collections.abc import Sequence

from pydantic import IPvAnyNetwork

from runtime.settings import VtpSettings

__all__ = ["ConnectionLimiter"]

_WINDOW_S = 60.0
# Largest number of hosts whose connects are counted; beyond, the oldest are dropped.
_MAX_HOSTS = 10_000


class ConnectionLimiter:
    """Accepts or refuses connections by their address alone.

    Parameters
    ----------
    settings : VtpSettings
        How many at once.
    allow : sequence of networks
        Networks that may connect.
    per_minute : int
        Connects of one address [1/min].
    """

    def __init__(
        self, settings: VtpSettings, *, allow: Sequence[IPvAnyNetwork], per_minute: int
    ) -> None:
        self._settings = settings
        self._allow = allow
        self._per_minute = per_minute
        self._connected: Counter[str] = Counter()
        self._connects: dict[str, deque[float]] = {}

    def admit(self, host: str, now_s: float) -> str | None:
        """Return None and count the connection, or return why it is refused, a stable code."""
        if not self._is_allowed(host):
            return "not_allowed"
        if self._connected.total() >= self._settings.max_subscribers:
            return "full"
        if self._connected[host] >= self._settings.max_per_host:
            return "too_many"
        if self._is_too_often(host, now_s):
            return "too_often"
        self._connected[host] += 1
        return None

    def release(self, host: str) -> None:
        """Discount a connection that was admitted and has ended."""
        self._connected[host] -= 1
        if self._connected[host] <= 0:
            del self._connected[host]

    def _is_allowed(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host.split("%", maxsplit=1)[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._allow)

    def _is_too_often(self, host: str, now_s: float) -> bool:
        connects = self._connects.pop(host, deque())
        self._connects[host] = connects  # the newest last
        while len(self._connects) > _MAX_HOSTS:
            del self._connects[next(iter(self._connects))]
        while connects and now_s - connects[0] > _WINDOW_S:
            connects.popleft()
        if len(connects) >= self._per_minute:
            return True
        connects.append(now_s)
        return False
