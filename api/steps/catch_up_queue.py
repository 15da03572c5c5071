"""Turns to read what clients of the alert stream have missed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from runtime.listening import site_of

__all__ = ["CatchUpQueue"]


class CatchUpQueue:
    """Gives turns in the order of arrival, one at a time to the streams of an address.

    However many streams of one address start far behind, another one waits for a page of them
    and not for all their pages.

    Parameters
    ----------
    at_once : int
        Turns of all addresses at a time.
    """

    def __init__(self, *, at_once: int) -> None:
        self._all = asyncio.Semaphore(at_once)
        # Of the addresses that have a turn or wait for one.
        self._of_party: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, host: str) -> AsyncIterator[None]:
        """Wait for a turn of an address, and keep it while this block runs."""
        lock = self._of_party.setdefault(site_of(host), asyncio.Lock())
        async with lock, self._all:
            yield
