"""One transaction on the catalogue: rows to models and back; decides nothing."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import astuple
from datetime import datetime

import numpy as np
import numpy.typing as npt

from runtime.binary_rows import decode_records, encode_columns
from runtime.sql import load_query
from schemas.messages import (
    FloatArray,
    ImageDetections,
    ImageMetadata,
    IntArray,
    SourceOffset,
)
from services.associate.errors import FencedError
from services.associate.models import (
    SOURCE_DTYPE,
    STATISTICS_DTYPE,
    Band,
    BandState,
    KnownImage,
    LedgerEntry,
    OffsetMove,
    PriorCoverage,
    RowArray,
    StatisticsKey,
)
from services.associate.storage.events import EventRows
from services.associate.storage.forced import ForcedRows
from services.associate.storage.transaction import PACKAGE
from sky.coverage import MAX_ORDER, cells_around
from sky.geometry import Probes

__all__ = ["Catalogue"]

# As wide as the columns of the database, in the order of the statements.
_CANDIDATE_DTYPE = np.dtype(
    [
        ("id", "i8"), ("search_ra", "f8"), ("search_dec", "f8"), ("ra", "f8"), ("dec", "f8"),
        ("weight_ra", "f8"), ("weight_dec", "f8"), ("n_datapoints", "i4"), ("is_new", "?"),
        ("is_variable", "?"), ("first_image_key", "i8"), ("first_number", "i4"),
    ]
)  # fmt: skip
_STATISTICS_WIRE_DTYPE = np.dtype(
    [
        (name, "i4" if name == "n" else STATISTICS_DTYPE[name])
        for name in STATISTICS_DTYPE.names or ()
    ]
)


class Catalogue(ForcedRows, EventRows):
    """One transaction on the catalogue."""

    async def move_offsets(self, cluster_id: str, topic: str, moves: Sequence[OffsetMove]) -> None:
        """Move the consumed offsets.

        Raises
        ------
        FencedError
            If one was not where we left it.
        """
        n_moved = await self._fetchval(
            "move_offsets",
            cluster_id,
            topic,
            [move.partition for move in moves],
            [move.expected for move in moves],
            [move.following for move in moves],
        )
        if n_moved != len(moves):
            raise FencedError("another associator has written this partition")

    async def ensure_stream(self, name: str) -> int:
        """Return the id of a stream."""
        return int(await self._fetchval("ensure_stream", name))

    async def list_bands(self, stream_id: int) -> dict[Band, int]:
        """Return the ids of a stream's bands."""
        rows = await self._connection.fetch(load_query(PACKAGE, "list_bands"), stream_id)
        return {Band(row["freq_eff_hz"], row["freq_bw_hz"]): row["id"] for row in rows}

    async def ensure_band(self, stream_id: int, band: Band) -> int:
        """Return the id of a band."""
        return int(
            await self._fetchval("ensure_band", stream_id, band.freq_eff_hz, band.freq_bw_hz)
        )

    async def find_images(self, stream_id: int, hashes: Sequence[str]) -> dict[str, KnownImage]:
        """Return what is known of the images that were here before."""
        rows = await self._connection.fetch(
            load_query(PACKAGE, "find_images"), stream_id, list(hashes)
        )
        return {
            row["image_id"]: KnownImage(
                SourceOffset(
                    row["kafka_cluster_id"],
                    row["kafka_topic"],
                    row["kafka_partition"],
                    row["kafka_offset"],
                ),
                row["verdict"],
            )
            for row in rows
        }

    async def delete_rejected_images(self, stream_id: int, hashes: Sequence[str]) -> None:
        """Forget rejected images that have come again and are accepted now."""
        await self._execute("delete_rejected_images", stream_id, list(hashes))

    async def book(self, stream: str, entries: Sequence[LedgerEntry]) -> None:
        """Write the ledger."""
        records = [entry.record for entry in entries]
        await self._execute(
            "record_image_outcomes",
            stream,
            [record.source.cluster_id for record in records],
            [record.source.topic for record in records],
            [record.source.partition for record in records],
            [record.source.offset for record in records],
            [record.image_id for record in records],
            [entry.outcome for entry in entries],
            [",".join(record.reasons) for record in records],
        )

    async def insert_timestep(
        self, stream_id: int, time_start: datetime, *, is_late: bool, n_images: int, now: datetime
    ) -> int:
        """Open a timestep and return its id."""
        return int(
            await self._fetchval("insert_timestep", stream_id, time_start, is_late, n_images, now)
        )

    async def ensure_partition(self, stream_id: int, time_start: datetime) -> None:
        """Make the month's partition of a stream's detections."""
        await self._fetchval("ensure_partition", stream_id, time_start)

    async def insert_image(
        self,
        record: ImageDetections,
        *,
        stream_id: int,
        timestep_id: int | None,
        band_id: int | None,
        is_late: bool,
        now: datetime,
    ) -> int:
        """Store an image and return its id."""
        grid = record.rms_grid
        return int(
            await self._fetchval(
                "insert_image",
                record.image_id,
                stream_id,
                timestep_id,
                band_id,
                record.verdict,
                list(record.reasons),
                record.reason_text,
                *_to_metadata_values(record.metadata),
                record.rms_jy_beam,
                record.detection_threshold_sigma,
                None if grid is None else grid.cell_px,
                None if grid is None else grid.rms_jy_beam.shape[1],
                None if grid is None else grid.rms_jy_beam.ravel().tolist(),
                len(record.sources),
                is_late,
                *astuple(record.source),
                record.times.time_sent,
                record.times.time_appended,
                record.times.time_extracted,
                now,
            )
        )

    async def load_sources(self, stream_id: int, probes: Probes) -> RowArray:
        """Return the sources inside the boxes, in order of id; dtype `SOURCE_DTYPE`."""
        data = await self._connection.fetchval(
            load_query(PACKAGE, "select_candidates"),
            stream_id,
            probes.zone.tolist(),
            probes.ra_low.tolist(),
            probes.ra_high.tolist(),
            probes.dec_low,
            probes.dec_high,
        )
        found = decode_records(data or b"", _CANDIDATE_DTYPE)
        found = found[np.argsort(found["id"])]
        sources = np.zeros(found.size, SOURCE_DTYPE)
        sources["parent"] = -1
        for name in _CANDIDATE_DTYPE.names or ():
            sources[name] = found[name]
        return sources

    async def load_statistics(self, source_ids: Sequence[int]) -> dict[StatisticsKey, RowArray]:
        """Return the light-curve statistics of sources, dtype `STATISTICS_DTYPE`."""
        rows = await self._connection.fetch(
            load_query(PACKAGE, "select_statistics"), list(source_ids)
        )
        return {
            (row["band_id"], row["stokes"]): decode_records(
                row["rows"], _STATISTICS_WIRE_DTYPE
            ).astype(STATISTICS_DTYPE)
            for row in rows
        }

    async def reserve_source_ids(self, n: int) -> list[int]:
        """Return fresh ids, ascending."""
        rows = await self._connection.fetch(load_query(PACKAGE, "reserve_source_ids"), n)
        return [row["id"] for row in rows]

    async def copy_rows(
        self, table: str, columns: Sequence[str], records: Iterable[tuple[object, ...]]
    ) -> None:
        """Append rows to a table."""
        if rows := list(records):
            await self._connection.copy_records_to_table(
                table, records=rows, columns=list(columns)
            )

    async def copy_columns(
        self,
        table: str,
        columns: Sequence[str],
        groups: Sequence[Sequence[npt.NDArray[np.generic] | None]],
    ) -> None:
        """Append rows to a table, given as groups of columns; types of `runtime.binary_rows`."""
        data = io.BytesIO(encode_columns(groups))
        await self._connection.copy_to_table(
            table, source=data, columns=list(columns), format="binary"
        )

    async def update_sources(
        self, sources: RowArray, *, eta: FloatArray, v: FloatArray, time_start: datetime
    ) -> None:
        """Write known sources; `sources` has at least the fields of `SOURCE_DTYPE`."""
        names = ("id", "ra", "dec", "weight_ra", "weight_dec", "n_datapoints")
        await self._execute(
            "update_sources",
            *[sources[name].tolist() for name in names],
            eta.tolist(),
            v.tolist(),
            time_start,
        )

    async def flag_sources(self, sources: RowArray) -> None:
        """Note that known sources have been told of, as new or as variable."""
        names = ("id", "is_new", "is_variable")
        await self._execute("flag_sources", *[sources[name].tolist() for name in names])

    async def move_sources(self, sources: RowArray, *, zone: Sequence[int]) -> None:
        """Write the search positions of sources that have drifted."""
        names = ("id", "search_ra", "search_dec")
        await self._execute(
            "move_sources", *[sources[name].tolist() for name in names], list(zone)
        )

    async def write_statistics(
        self, key: StatisticsKey, table: RowArray, *, is_known: npt.NDArray[np.bool_]
    ) -> None:
        """Write the statistics of one channel; `is_known`: which rows the database has."""
        for query, rows in (
            ("update_statistics", table[is_known]),
            ("upsert_statistics", table[~is_known]),
        ):
            if rows.size:
                columns = [rows[name].tolist() for name in STATISTICS_DTYPE.names or ()]
                await self._execute(query, *key, *columns)

    async def load_prior_coverage(
        self, key: StatisticsKey, ra: FloatArray, dec: FloatArray
    ) -> tuple[PriorCoverage, ...]:
        """Return the deepest earlier images of a channel around positions [deg]."""
        orders = await self._connection.fetch(
            load_query(PACKAGE, "select_coverage_orders"), *key, MAX_ORDER
        )
        cells = cells_around(ra, dec, [row["k"] for row in orders])
        rows = await self._connection.fetch(
            load_query(PACKAGE, "select_prior_coverage"), *key, cells.tolist()
        )
        return tuple(
            PriorCoverage(
                row["wcs_header"],
                (row["height_px"], row["width_px"]),
                np.array(row["rms_grid"]).reshape(-1, row["rms_grid_columns"]),
            )
            for row in rows
        )

    async def upsert_sky_coverage(
        self, key: StatisticsKey, image: int, cells: IntArray, rms_jy_beam: FloatArray
    ) -> None:
        """Keep an image in the cells where it is the deepest of its channel."""
        await self._execute(
            "upsert_sky_coverage", *key, image, cells.tolist(), rms_jy_beam.tolist()
        )

    async def upsert_expected_channels(self, states: Sequence[tuple[int, BandState]]) -> None:
        """Remember what the next timestep waits for; the band's id comes with each state."""
        await self._execute(
            "upsert_expected_channels",
            [band_id for band_id, _ in states],
            [state.stokes for _, state in states],
            [state.last_time_start for _, state in states],
            [state.missed_timesteps for _, state in states],
        )

    async def close_timestep(self, stream_id: int, time_start: datetime) -> None:
        """Note how far a stream has come."""
        await self._execute("close_timestep", stream_id, time_start)

    async def load_image_hashes(self, ids: Sequence[int]) -> dict[int, str]:
        """Return the hashes of images by their ids."""
        rows = await self._connection.fetch(load_query(PACKAGE, "select_image_ids"), list(ids))
        return {row["image_key"]: row["image_id"] for row in rows}


def _to_metadata_values(metadata: ImageMetadata | None) -> tuple[object, ...]:
    """Return the values in the order of ``insert_image.sql``, which is the model's."""
    return (None,) * 15 if metadata is None else astuple(metadata)
