"""The running catalogue: sources, light-curve statistics and measurements."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import asyncpg
import numpy as np

from runtime.binary_rows import decode_rows
from runtime.sql import load_statement
from schemas.messages import IntArray
from services.associate.models.catalogue import (
    SOURCE_DTYPE,
    STATISTICS_DTYPE,
    ChannelKey,
    RowArray,
    SeenLate,
)
from services.associate.models.decisions import (
    ArchiveLimits,
    Columns,
    DetectionRows,
    StatisticsRows,
)
from services.associate.models.waiting import Doubtful
from services.associate.storage.search_gaps import SearchGaps
from services.associate.storage.transaction import PACKAGE, Transaction
from sky.geometry import Probes, in_probes, merge_probes
from sky.row_arrays import take_rows

__all__ = ["SourceTables"]


class SourceTables(Transaction):
    """Tables `source`, `source_band`, `detection` and `shared_detection`.

    Parameters
    ----------
    connection : asyncpg connection
        As of `Transaction`.
    gaps : SearchGaps, optional
        What searches of earlier transactions have cost; without it none has.
    """

    def __init__(
        self,
        connection: asyncpg.pool.PoolConnectionProxy | asyncpg.Connection,
        gaps: SearchGaps | None = None,
    ) -> None:
        super().__init__(connection)
        self._gaps = gaps or SearchGaps()

    async def load_sources(self, stream_id: int, boxes: Probes) -> RowArray:
        """Return the sources inside the boxes, in order of id; dtype `SOURCE_DTYPE`."""
        wide = merge_probes(boxes, self._gaps.gap_deg(stream_id))
        data = await self._fetchval(
            "select_candidates",
            stream_id=stream_id,
            zone=wide.zone,
            ra_low=wide.ra_low,
            ra_high=wide.ra_high,
            dec_low=wide.dec_low,
            dec_high=wide.dec_high,
        )
        sources = decode_rows(data or b"", SOURCE_DTYPE)
        found = take_rows(sources, in_probes(boxes, sources["search_ra"], sources["search_dec"]))
        self._gaps.learn(
            stream_id,
            n_saved=boxes.zone.size - wide.zone.size,
            n_extra=sources.size - found.size,
        )
        return take_rows(found, np.argsort(found["id"]))

    async def load_sources_by_id(self, stream_id: int, ids: Sequence[int]) -> RowArray:
        """Return sources of a stream in order of id; dtype `SOURCE_DTYPE`."""
        data = await self._fetchval("select_sources", stream_id=stream_id, id=list(ids))
        sources = decode_rows(data or b"", SOURCE_DTYPE)
        return sources[np.argsort(sources["id"])]

    async def load_seen_late(self, source_ids: IntArray) -> SeenLate:
        """Return those of some sources that late images have begun, splits left out."""
        rows = await self._fetch("select_seen_late", source_id=source_ids)
        return SeenLate(
            np.array([row["id"] for row in rows], np.int64),
            {row["image_key"]: row["image_id"] for row in rows},
        )

    async def load_statistics(self, source_ids: IntArray) -> dict[ChannelKey, RowArray]:
        """Return the light-curve statistics of sources, dtype `STATISTICS_DTYPE`."""
        rows = await self._fetch("select_statistics", source_id=source_ids)
        return {
            (row["band_id"], row["stokes"]): decode_rows(row["rows"], STATISTICS_DTYPE)
            for row in rows
        }

    async def reserve_source_ids(self, n_sources: int) -> list[int]:
        """Return new ids of sources, ascending."""
        rows = await self._fetch("reserve_source_ids", n_sources=n_sources)
        return [row["id"] for row in rows]

    async def insert_sources(self, groups: Sequence[Columns]) -> None:
        """Append sources."""
        await self._copy("source", groups)

    async def update_sources(self, columns: Columns, last_time_start: datetime | None) -> None:
        """Write the positions and the variability of known sources."""
        await self._execute("update_sources", **columns, last_time_start=last_time_start)

    async def flag_sources(self, columns: Columns) -> None:
        """Store which known sources were announced, as new or as variable."""
        await self._execute("flag_sources", **columns)

    async def move_sources(self, columns: Columns) -> None:
        """Write the search positions of sources that have drifted."""
        await self._execute("move_sources", **columns)

    async def write_statistics(self, channels: Sequence[StatisticsRows]) -> None:
        """Write the statistics of channels."""
        for query in ("update_statistics", "upsert_statistics"):
            await self._execute_each(query, _to_statistics(query, channels))

    async def archive_sources(
        self,
        stream_id: int,
        doubtful: Doubtful,
        limits: ArchiveLimits,
        *,
        now: datetime,
        before: datetime,
    ) -> list[int]:
        """Move those of some sources that no measurement has confirmed to the archive."""
        if not doubtful.all_ids().size:
            return []
        rows = await self._fetch(
            "archive_sources",
            stream_id=stream_id,
            quiet_id=doubtful.quiet_ids,
            active_id=doubtful.active_ids,
            candidate_sigma=limits.candidate_sigma,
            archive_sigma=limits.archive_sigma,
            time_archived=now,
            time_end=before,
            announced_snr=limits.announced_snr,
        )
        return [row["id"] for row in rows]

    async def write_forced_statistics(self, channels: Sequence[StatisticsRows]) -> None:
        """Write the statistics of the forced points of channels."""
        query = "upsert_forced_statistics"
        await self._execute_each(
            query, [_to_values(query, each.key, each.rows) for each in channels]
        )

    async def update_measured_sources(self, columns: Columns) -> None:
        """Write the variability of sources that have new forced points."""
        await self._execute("update_measured_sources", **columns)

    async def insert_detections(self, stream_id: int, images: Sequence[DetectionRows]) -> None:
        """Append the blind detections of images."""
        await self._execute_each(
            "insert_detections",
            [
                {
                    "stream_id": stream_id,
                    "image_key": image.image_key,
                    "time_start": image.time_start,
                    "band_id": image.key[0],
                    "stokes": image.key[1],
                    **image.columns,
                }
                for image in images
            ],
        )

    async def insert_shared_detections(self, images: Sequence[DetectionRows]) -> None:
        """Append measurements that belong to a second source too."""
        await self._execute_each(
            "insert_shared_detections",
            [
                {"image_key": image.image_key, "time_start": image.time_start, **image.columns}
                for image in images
            ],
        )


def _to_statistics(
    query: str, channels: Sequence[StatisticsRows]
) -> Iterator[Mapping[str, object]]:
    """Yield the values of a statement for each channel that has rows for it."""
    is_update = query == "update_statistics"
    for each in channels:
        rows = take_rows(each.rows, each.is_stored if is_update else ~each.is_stored)
        if rows.size:
            values = _to_values(query, each.key, rows)
            if is_update:
                values["change_state"] = rows["change_state"].tobytes()
            yield values


def _to_values(query: str, key: ChannelKey, rows: RowArray) -> dict[str, object]:
    """Return the values of a statement about a channel by the names of its parameters."""
    band_id, stokes = key
    return {"band_id": band_id, "stokes": stokes} | {
        name: rows[name] for name in _statistics_of(query)
    }


def _statistics_of(query: str) -> list[str]:
    """Return the columns of `STATISTICS_DTYPE` that a statement writes."""
    names = STATISTICS_DTYPE.names or ()
    return [each.name for each in load_statement(PACKAGE, query).parameters if each.name in names]
