"""Topics of deleted subscriptions are deleted after a time for those who still read them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NoReturn

from runtime.errors import FatalError, TransientError
from runtime.logging import get_logger
from services.distribute.storage import UnusedTopicStore

__all__ = ["UnusedTopics"]

_INTERVAL_S = 30.0
_LIMIT = 100


class UnusedTopics:
    """Deletes topics, and forgets them when Kafka has them no more: a repetition does no harm.

    Parameters
    ----------
    store : UnusedTopicStore
        Which there are.
    delete : callable
        Deletes the topics of subscriptions; raises `TransientError` if Kafka is away.
    may_delete : callable
        Returns whether this process is the one that delivers.
    unused_s : float
        How long they are kept after their subscriptions [s].
    """

    def __init__(
        self,
        store: UnusedTopicStore,
        *,
        delete: Callable[[Sequence[str]], Awaitable[None]],
        may_delete: Callable[[], Awaitable[bool]],
        unused_s: float,
    ) -> None:
        self._store = store
        self._delete = delete
        self._may_delete = may_delete
        self._unused_s = unused_s

    async def run(self) -> NoReturn:
        """Delete twice a minute, until the task is cancelled."""
        while True:
            try:
                await self.delete_due()
            except FatalError:
                raise
            except TransientError as error:
                get_logger().debug("topics_not_deleted", error=str(error))
            except Exception:  # noqa: BLE001  (whatever it is: the next ones must follow)
                get_logger().exception("topics_not_deleted")
            await asyncio.sleep(_INTERVAL_S)

    async def delete_due(self) -> None:
        """Delete the topics that are due, if this process may.

        Raises
        ------
        TransientError
            If Kafka or the database is away; they stay due.
        """
        if not await self._may_delete():
            return
        async with self._store.take(unused_s=self._unused_s, limit=_LIMIT) as names:
            if names:
                await self._delete(names)
        for name in names:
            get_logger().info("topic_deleted", subscription=name)
