"""What is missed, and what is watched."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from runtime.sql import load_query
from schemas.messages import IntArray
from services.associate.models import MissedSources, Monitors
from services.associate.storage.transaction import PACKAGE, Transaction

__all__ = ["ForcedRows"]


class ForcedRows(Transaction):
    """Tables `missed_source` and `monitor`."""

    async def load_missed(
        self, stream_id: int, ids_seen: IntArray, tolerance_s: float
    ) -> MissedSources:
        """Return what a timestep misses that was seen in the last one, or misses since longer."""
        rows = await self._connection.fetch(
            load_query(PACKAGE, "select_missed"),
            stream_id, timedelta(seconds=tolerance_s), ids_seen.tolist(),
        )  # fmt: skip
        return MissedSources(
            np.array([row["id"] for row in rows], np.int64),
            np.array([row["ra"] for row in rows], np.float64),
            np.array([row["dec"] for row in rows], np.float64),
            np.array([row["n_timesteps"] for row in rows], np.int64),
        )

    async def write_missed(
        self, stream_id: int, *, missed: IntArray, n_timesteps: IntArray, gone: IntArray
    ) -> None:
        """Note for how long sources have been missed, and forget those that are not any more."""
        if missed.size:
            await self._execute("upsert_missed", stream_id, missed.tolist(), n_timesteps.tolist())
        if gone.size:
            await self._execute("delete_missed", stream_id, gone.tolist())

    async def load_monitors(self, stream: str) -> Monitors:
        """Return the places that are watched in a stream."""
        rows = await self._connection.fetch(load_query(PACKAGE, "select_monitors"), stream)
        return Monitors(
            np.array([row["id"] for row in rows], np.int64),
            np.array([row["ra"] for row in rows], np.float64),
            np.array([row["dec"] for row in rows], np.float64),
            np.array([row["source_id"] for row in rows], np.int64),
        )

    async def insert_monitor_sources(
        self, stream_id: int, monitor_ids: Sequence[int], *, image: int, time_start: datetime
    ) -> dict[int, int]:
        """Give monitors a light curve; return their sources by their ids."""
        rows = await self._connection.fetch(
            load_query(PACKAGE, "insert_monitor_sources"),
            list(monitor_ids), stream_id, image, time_start,
        )  # fmt: skip
        return {row["id"]: row["source_id"] for row in rows}
