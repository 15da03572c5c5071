"""Places that many addresses share: a few of them never take all."""

from collections import Counter

from runtime.listening import party_of, site_of

__all__ = ["SITE_SHARE", "Places"]

# An address may have at most this part of what is left, one customer this part of all.
_SHARE = 1 / 4
# As many addresses may the networks of one customer count for, where nothing is shared.
SITE_SHARE = 4


class Places:
    """Counts the places that each address has.

    One address may have `per_host` places while there is room. As it gets crowded, an address may
    have a quarter of what is left: there is always a place for another one. The 65 536 networks of
    a /48 of IPv6, which may be one customer's, have a quarter of all places. Where `per_host` is
    not below `total`, one address may have all places.

    Parameters
    ----------
    total : int
        Places of all addresses.
    per_host : int
        Most places of one address.
    """

    def __init__(self, *, total: int, per_host: int) -> None:
        self._total = total
        self._per_host = per_host
        self._of_party: Counter[str] = Counter()
        self._of_site: Counter[str] = Counter()

    @property
    def is_full(self) -> bool:
        """Whether all places are taken."""
        return self._of_party.total() >= self._total

    def has_room_for(self, host: str) -> bool:
        """Return whether an address may have one more place."""
        return (
            not self.is_full
            and self._of_party[party_of(host)] < self._limit_per_party()
            and self._of_site[site_of(host)] < self._limit_per_site()
        )

    def take(self, host: str) -> None:
        """Count a place of an address."""
        self._of_party[party_of(host)] += 1
        self._of_site[site_of(host)] += 1

    def give_back(self, host: str) -> None:
        """Discount a place that was taken."""
        for taken, key in ((self._of_party, party_of(host)), (self._of_site, site_of(host))):
            taken[key] -= 1
            if taken[key] <= 0:
                del taken[key]

    def _limit_per_party(self) -> int:
        if self._per_host >= self._total:
            return self._per_host
        n_left = self._total - self._of_party.total()
        return min(self._per_host, max(1, int(n_left * _SHARE)))

    def _limit_per_site(self) -> int:
        return max(self._per_host, int(self._total * _SHARE))
