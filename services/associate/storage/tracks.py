"""Moving objects: the detections that are linked, and the events that are taken back for one."""

from collections.abc import Sequence

import asyncpg
import numpy as np

from schemas.event_json import event_from_json
from schemas.messages import SourceEvent
from services.associate.models.catalogue import NO_TRACKS, TRACK_DTYPE, RowArray
from services.associate.models.tracks import TrackRows
from services.associate.storage.transaction import Transaction

__all__ = ["TrackTables"]

# Columns of table `tracking` by the fields of `TRACK_DTYPE`.
_COLUMNS = {name: "looks" if name == "look" else name for name in TRACK_DTYPE.names or ()}


class TrackTables(Transaction):
    """Table `tracking`."""

    async def load_tracks(self, stream_id: int) -> tuple[int, RowArray]:
        """Return the number of the last timestep that was linked, and its points."""
        rows = await self._fetch("select_tracking", stream_id=stream_id)
        return (rows[0]["look"], _to_points(rows[0])) if rows else (0, NO_TRACKS)

    async def store_tracks(self, stream_id: int, rows: TrackRows) -> None:
        """Store the points that the next timestep starts from."""
        columns = {column: rows.points[name].copy() for name, column in _COLUMNS.items()}
        await self._execute("upsert_tracking", stream_id=stream_id, look=rows.look, **columns)

    async def lock_new_sources(self, source_ids: Sequence[int]) -> dict[int, SourceEvent]:
        """Lock the events that tell sources as new; return the last one of each by its id."""
        rows = await self._fetch("lock_new_sources", source_id=list(source_ids))
        return {row["source_id"]: event_from_json(row["event"]) for row in rows}


def _to_points(row: asyncpg.Record) -> RowArray:
    points = np.zeros(len(row["source_id"]), TRACK_DTYPE)
    for name, column in _COLUMNS.items():
        points[name] = row[column]
    return points
