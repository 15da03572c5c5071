"""Which addresses may connect, how many at once and how often."""

import ipaddress
from collections import Counter, deque
from collections.abc import Sequence

from pydantic import IPvAnyNetwork

from runtime.listening import party_of, site_of
from runtime.settings import VtpSettings

__all__ = ["ConnectionLimiter"]

_WINDOW_S = 60.0
# Largest number of hosts whose connects are counted; beyond, the oldest are dropped.
_MAX_HOSTS = 10_000
# An address may have at most this part of what is left: the port is never filled by a few.
# What one customer may have, in many prefixes, is this part of all.
_SHARE = 1 / 4


class ConnectionLimiter:
    """Accepts or refuses connections by their address alone.

    One address may have `max_per_host` connections while there is room. As it gets crowded, an
    address may have a quarter of what is left: there is always a place for another one. The
    65 536 prefixes of a /48 of IPv6, which may be one customer's, have a quarter of all places.
    Where `max_per_host` is not below `max_subscribers`, one address may have all places.

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
        self._of_site: Counter[str] = Counter()
        self._connects: dict[str, deque[float]] = {}

    def admit(self, host: str, now_s: float) -> str | None:
        """Return None and count the connection, or return why it is refused, a stable code."""
        if not self._is_allowed(host):
            return "not_allowed"
        if self._connected.total() >= self._settings.max_subscribers:
            return "full"
        party = party_of(host)
        site = site_of(party)
        if (
            self._connected[party] >= self._limit_per_party()
            or self._of_site[site] >= self._limit_per_site()
        ):
            return "too_many"
        if self._is_too_often(party, now_s):
            return "too_often"
        self._connected[party] += 1
        self._of_site[site] += 1
        return None

    def release(self, host: str) -> None:
        """Discount a connection that was admitted and has ended."""
        party = party_of(host)
        for connected, key in ((self._connected, party), (self._of_site, site_of(party))):
            connected[key] -= 1
            if connected[key] <= 0:
                del connected[key]

    def _limit_per_party(self) -> int:
        """Return how many connections one address may have now."""
        settings = self._settings
        if settings.max_per_host >= settings.max_subscribers:
            return settings.max_per_host
        n_left = settings.max_subscribers - self._connected.total()
        return min(settings.max_per_host, max(1, int(n_left * _SHARE)))

    def _limit_per_site(self) -> int:
        """Return how many connections a /48 of IPv6 may have."""
        settings = self._settings
        return max(settings.max_per_host, int(settings.max_subscribers * _SHARE))

    def _is_allowed(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host.split("%", maxsplit=1)[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._allow)

    def _is_too_often(self, party: str, now_s: float) -> bool:
        connects = self._connects.pop(party, deque())
        self._connects[party] = connects  # the newest last
        while len(self._connects) > _MAX_HOSTS:
            del self._connects[next(iter(self._connects))]
        while connects and now_s - connects[0] > _WINDOW_S:
            connects.popleft()
        if len(connects) >= self._per_minute:
            return True
        connects.append(now_s)
        return False
