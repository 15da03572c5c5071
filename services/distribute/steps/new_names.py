"""How many new names subscribers of one customer may take."""

from runtime.listening import site_of

__all__ = ["NewNames"]

_PER_HOUR = 100
_HOUR_S = 3600.0
_MAX_SITES = 10_000


class NewNames:
    """Counts the names that were not known before, which anybody may choose: each is a row."""

    def __init__(self) -> None:
        # When its hour began [s], and the names since.
        self._taken: dict[str, tuple[float, int]] = {}

    def admit(self, host: str, now_s: float) -> bool:
        """Return whether an address may take a new name, and count it."""
        site = site_of(host)
        begun_s, n_taken = self._taken.pop(site, (now_s, 0))
        if now_s - begun_s >= _HOUR_S:
            begun_s, n_taken = now_s, 0
        is_admitted = n_taken < _PER_HOUR
        self._taken[site] = begun_s, n_taken + is_admitted  # the newest last
        while len(self._taken) > _MAX_SITES:
            del self._taken[next(iter(self._taken))]
        return is_admitted
