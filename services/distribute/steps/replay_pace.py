"""How fast replays go to the hosts of webhooks, which may be somebody else's."""

from urllib.parse import urlsplit

__all__ = ["ReplayPace"]


class ReplayPace:
    """Gives each alert of a replay its turn.

    Parameters
    ----------
    alerts_per_s : float
        Most alerts to one host, of all replays together [1/s].
    """

    def __init__(self, alerts_per_s: float) -> None:
        self._interval_s = 1 / alerts_per_s
        self._next_s: dict[str, float] = {}

    def wait_s(self, url: str, now_s: float) -> float:
        """Return how long the next alert to an address waits; it has its turn then [s]."""
        self._next_s = {host: at_s for host, at_s in self._next_s.items() if at_s > now_s}
        host = (urlsplit(url).hostname or "").rstrip(".")
        turn_s = self._next_s.get(host, now_s)
        self._next_s[host] = turn_s + self._interval_s
        return turn_s - now_s
