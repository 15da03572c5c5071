"""Relay the stored VOEvents of other authors to the VTP subscribers of this process."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import NoReturn

from runtime.errors import FatalError, TransientError
from runtime.logging import get_logger
from services.distribute.handlers.vtp_receiver import CONNECTION_TIMEOUT_S
from services.distribute.models import Submission
from services.distribute.storage import SubmissionStore

__all__ = ["SubmissionRelay"]

_MARK_INTERVAL_S = 0.2
_POLL_INTERVAL_S = 1.0
_CLOSE_TIMEOUT_S = 1.0
# By then a subscriber that had just connected has been sent what waited for its introduction.
_MARK_AGE_S = 2.0
# Beyond this age no connection is still about to relay what it stored.
_ABANDONED_S = 2 * CONNECTION_TIMEOUT_S
# Age up to which a submission is relayed here whoever has done so: another process, or the one
# before this one, whose subscribers are on their way back.
_RECENT_S = 60.0
_DELETE_INTERVAL_S = 3600.0
_MAX_AGE = timedelta(days=30)  # as Comet's


class SubmissionRelay:
    """Relays each submission once: those received here at once, those of others by polling.

    Parameters
    ----------
    store : SubmissionStore
        Where the submissions are.
    broadcast : callable
        Queues a packet for every subscriber and returns their number; never waits.
    """

    def __init__(self, store: SubmissionStore, broadcast: Callable[[bytes], int]) -> None:
        self._store = store
        self._broadcast = broadcast
        self._relayed_s: dict[int, float] = {}
        self._unmarked: set[int] = set()

    def relay(self, submission: Submission) -> None:
        """Relay a stored event to the subscribers, unless it was relayed."""
        if submission.id in self._relayed_s:
            return
        self._relayed_s[submission.id] = time.monotonic()
        self._unmarked.add(submission.id)
        n_subscribers = self._broadcast(submission.packet)
        get_logger().info("submission_relayed", ivorn=submission.ivorn, subscribers=n_subscribers)

    async def run(self) -> NoReturn:
        """Mark what was relayed, relay what is missing, delete what is old, until cancelled."""
        poll_s = delete_s = time.monotonic()
        while True:
            await asyncio.sleep(_MARK_INTERVAL_S if self._unmarked else _POLL_INTERVAL_S)
            now_s = time.monotonic()
            try:
                await self._mark(now_s)
                if now_s >= poll_s:
                    poll_s = now_s + _POLL_INTERVAL_S
                    await self._poll(now_s)
                if now_s >= delete_s:
                    delete_s = now_s + _DELETE_INTERVAL_S
                    await self._store.delete_older(_MAX_AGE)
            except FatalError:
                raise
            except TransientError as error:
                get_logger().debug(
                    "submissions_postponed", n=len(self._unmarked), error=str(error)
                )
            except Exception:  # noqa: BLE001  (whatever it is: the next submissions must follow)
                get_logger().exception("relay_failed", n=len(self._unmarked))
                await asyncio.sleep(_POLL_INTERVAL_S)

    async def aclose(self) -> None:
        """Mark what was relayed, if the database takes it soon."""
        with suppress(TransientError, TimeoutError):  # then it is relayed again
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._mark(time.monotonic())

    async def _mark(self, now_s: float) -> None:
        ids = [each for each in self._unmarked if now_s - self._relayed_s[each] >= _MARK_AGE_S]
        if ids:
            await self._store.mark_relayed(ids)
            self._unmarked.difference_update(ids)

    async def _poll(self, now_s: float) -> None:
        """Relay what other processes received, and what one that ended did not relay."""
        for each in await self._store.list_unrelayed(
            recent_s=_RECENT_S, abandoned_s=_ABANDONED_S, done=list(self._relayed_s)
        ):
            self.relay(each)
        # What the next poll cannot return any more.
        old = [
            identity
            for identity, relayed_s in self._relayed_s.items()
            if now_s - relayed_s > 2 * _RECENT_S and identity not in self._unmarked
        ]
        for identity in old:
            del self._relayed_s[identity]
