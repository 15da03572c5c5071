"""Which addresses may connect, how many at once and how often."""

import ipaddress
from collections import deque
from collections.abc import Sequence

from pydantic import IPvAnyNetwork

from runtime.listening import party_of, site_of
from runtime.places import SITE_SHARE, Places
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
        Connects of one address; those of a /48 of IPv6 may be four times as many [1/min].
    """

    def __init__(
        self, settings: VtpSettings, *, allow: Sequence[IPvAnyNetwork], per_minute: int
    ) -> None:
        self._places = Places(total=settings.max_subscribers, per_host=settings.max_per_host)
        self._allow = allow
        self._per_minute = per_minute
        self._connects: dict[str, deque[float]] = {}

    def admit(self, host: str, now_s: float) -> str | None:
        """Return None and count the connection, or return why it is refused, a stable code."""
        if not self._is_allowed(host):
            return "not_allowed"
        if not self._places.has_room_for(host):
            return "full" if self._places.is_full else "too_many"
        party, site = party_of(host), site_of(host)
        if self._is_too_often(party, self._per_minute, now_s):
            return "too_often"
        if site != party and self._is_too_often(site, SITE_SHARE * self._per_minute, now_s):
            return "too_often"
        self._places.take(host)
        return None

    def release(self, host: str) -> None:
        """Discount a connection that was admitted and has ended."""
        self._places.give_back(host)

    def _is_allowed(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host.split("%", maxsplit=1)[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._allow)

    def _is_too_often(self, key: str, most: int, now_s: float) -> bool:
        connects = self._connects.pop(key, deque())
        self._connects[key] = connects  # the newest last
        while len(self._connects) > _MAX_HOSTS:
            del self._connects[next(iter(self._connects))]
        while connects and now_s - connects[0] > _WINDOW_S:
            connects.popleft()
        if len(connects) >= most:
            return True
        connects.append(now_s)
        return False
