"""Moving objects: the detections that are linked, and the events that are taken back for one."""

from collections.abc import Sequence

from schemas.event_json import event_from_json
from schemas.messages import SourceEvent
from services.associate.models.catalogue import TRACK_COLUMNS
from services.associate.models.tracks import TrackRows
from services.associate.storage.transaction import Transaction

__all__ = ["TrackTables"]


class TrackTables(Transaction):
    """Table `tracking`."""

    async def store_tracks(self, stream_id: int, rows: TrackRows) -> None:
        """Store the points that the next timestep starts from."""
        columns = {column: rows.points[name].copy() for name, column in TRACK_COLUMNS.items()}
        await self._execute("upsert_tracking", stream_id=stream_id, look=rows.look, **columns)

    async def lock_new_sources(self, source_ids: Sequence[int]) -> dict[int, SourceEvent]:
        """Lock the events that tell sources as new; return the last one of each by its id."""
        rows = await self._fetch("lock_new_sources", source_id=list(source_ids))
        return {row["source_id"]: event_from_json(row["event"]) for row in rows}
