"""Records of detections-v1 to timesteps, timesteps to transactions, the outbox to messages."""

import asyncpg

from runtime.settings import Settings
from schemas.topics import Topics
from services.associate.steps.windows import Timestep, TimestepWindows

__all__ = ["DetectionsHandler"]

_OUTBOX_BATCH = 500


class DetectionsHandler:
    """Everything the associator does, but for the Kafka clients.

    Parameters
    ----------
    settings : Settings
        Sections `associate` and `kafka` are used.
    topics : Topics
        Where to read and what to call the outbox messages.
    cluster_id : str
        Kafka cluster the offsets belong to.
    pool : asyncpg.Pool
        Closed by `aclose`.
    """

    def __init__(
        self, settings: Settings, topics: Topics, cluster_id: str, pool: asyncpg.Pool
    ) -> None:
        self._settings = settings.associate
        self._topics = topics
        self._cluster_id = cluster_id
        self._pool = pool
        self._windows = TimestepWindows(settings.associate)
        self._ready: list[Timestep] = []
        # Next offset per partition: as the database has it, and as read so far.
        self._committed: dict[int, int] = {}
        self._next: dict[int, int] = {}

    async def aclose(self) -> None:
        """Close the connections."""
        await self._pool.close()
