"""Topics of deleted subscriptions are deleted after a time for those who still read them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import NoReturn

from runtime.errors import TransientError
from runtime.logging import get_logger
from runtime.periodic import repeat_periodically
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
        self._told = ""

    async def run(self) -> NoReturn:
        """Delete twice a minute, until the task is cancelled."""
        await repeat_periodically(
            self.delete_due, interval_s=_INTERVAL_S, failure="topics_not_deleted"
        )

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
                await self._delete_all(names)
        for name in names:
            get_logger().info("topic_deleted", subscription=name)

    async def _delete_all(self, names: Sequence[str]) -> None:
        """Delete the topics; each reason why that fails is logged once in a row."""
        try:
            await self._delete(names)
        except TransientError as error:
            if str(error) != self._told:
                get_logger().warning("topics_not_deleted", error=str(error))
            self._told = str(error)
            raise
        self._told = ""
