"""How many requests one address, or one token, may send."""

from collections.abc import Awaitable, Callable

from runtime.api_tokens import hash_token
from runtime.listening import party_of, site_of
from runtime.places import SITE_SHARE

__all__ = ["RequestLimiter"]

# What is saved up, as time of the rate [s]: a page that opens, a script that begins.
_SAVED_S = 10.0
# Tokens of one customer that are looked up [1/s]: others than valid ones are endless.
_LOOK_UPS_PER_S = 1.0
# A token that is revoked has an account of its own for so long [s].
_KNOWN_S = 60.0
_MAX_KEYS = 10_000

_Key = str | bytes


class _Accounts:
    """Accounts that fill at a rate, and are never fuller than some seconds of it (token bucket).

    Parameters
    ----------
    per_s : float
        The rate [1/s].
    """

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        # When what was spent is earned again [s].
        self._paid_s: dict[_Key, float] = {}
        self._n_looked_through = _MAX_KEYS

    def spend(self, key: _Key, now_s: float) -> float:
        """Take one from an account; return 0, or how long until there is one [s]."""
        earliest_s = now_s - _SAVED_S
        paid_s = max(self._paid_s.get(key, earliest_s), earliest_s) + 1 / self._per_s
        if paid_s > now_s:
            return paid_s - now_s
        self._paid_s[key] = paid_s
        if len(self._paid_s) > self._n_looked_through:
            self._paid_s = {key: at_s for key, at_s in self._paid_s.items() if at_s > earliest_s}
            # Next when there are twice as many: not once for each of many addresses.
            self._n_looked_through = max(_MAX_KEYS, 2 * len(self._paid_s))
        return 0.0


class RequestLimiter:
    """Says which requests are answered: an account for each address, and for each valid token.

    Parameters
    ----------
    per_s : float or None
        Requests of one account in the long run; all networks of a /48 of IPv6 may have four times
        as many together [1/s]; None: any.
    is_valid : callable
        Returns whether a token is valid.
    """

    def __init__(self, per_s: float | None, is_valid: Callable[[str], Awaitable[bool]]) -> None:
        self._accounts = None if per_s is None else _Accounts(per_s)
        self._of_sites = _Accounts(SITE_SHARE * (per_s or 1.0))
        self._look_ups = _Accounts(_LOOK_UPS_PER_S)
        self._is_valid = is_valid
        self._known_until_s: dict[bytes, float] = {}

    async def spend(self, host: str, token: str | None, now_s: float) -> float:
        """Book a request; return 0, or how long its sender has to wait [s].

        Parameters
        ----------
        host : str
            Address of the sender.
        token : str or None
            Bearer token of the request, valid or not.
        now_s : float
            Of a clock that never goes back [s].
        """
        if self._accounts is None:
            return 0.0
        party, site = party_of(host), site_of(host)
        owner = None if token is None else await self._identify(token, site, now_s)
        wait_s = self._accounts.spend(owner or party, now_s)
        if wait_s or owner is not None or site == party:
            return wait_s
        return self._of_sites.spend(site, now_s)

    async def _identify(self, token: str, site: str, now_s: float) -> bytes | None:
        """Return the account of a token; None for one that is not valid, or was not looked up."""
        digest = hash_token(token)
        if self._known_until_s.get(digest, now_s) > now_s:
            return digest
        self._known_until_s.pop(digest, None)
        if self._look_ups.spend(site, now_s) or not await self._is_valid(token):
            return None
        if len(self._known_until_s) >= _MAX_KEYS:
            self._known_until_s.clear()
        self._known_until_s[digest] = now_s + _KNOWN_S
        return digest
