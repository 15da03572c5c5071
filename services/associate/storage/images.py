"""Streams, bands, images, timesteps and the ledger."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime

import asyncpg
import numpy as np

from runtime.errors import to_storable_text
from schemas.messages import FloatArray, ImageMetadata, SourceOffset
from services.associate.errors import FencedError
from services.associate.models.catalogue import (
    NO_TRACKS,
    TRACK_COLUMNS,
    TRACK_DTYPE,
    ChannelKey,
    Monitors,
    RowArray,
    TimestepStart,
)
from services.associate.models.decisions import CoverageRows, ImageRow
from services.associate.models.evidence import PriorCoverage
from services.associate.models.solutions import NO_SOLUTION, ImageSolution
from services.associate.models.timesteps import (
    Band,
    ExpectedChannel,
    KnownImage,
    LedgerEntry,
    LockedStream,
    OffsetMove,
    SameTimeImage,
)
from services.associate.storage.transaction import Transaction
from sky.coverage import MAX_ORDER, cells_around

__all__ = ["ImageTables"]

_METADATA = tuple(each.name for each in fields(ImageMetadata))
_EXPOSURE = tuple(each.name for each in fields(SameTimeImage))


class ImageTables(Transaction):
    """Tables `stream`, `band`, `monitor`, `image`, `timestep`, `image_ledger`, `sky_coverage`.

    `load_start` reads table `tracking` too.
    """

    async def move_offsets(self, cluster_id: str, topic: str, moves: Sequence[OffsetMove]) -> None:
        """Move the consumed offsets.

        Raises
        ------
        FencedError
            If one is not where this process left it.
        """
        n_moved = await self._fetchval(
            "move_offsets",
            cluster_id=cluster_id,
            topic=topic,
            partition=[move.partition for move in moves],
            expected=[move.expected for move in moves],
            next_offset=[move.next_offset for move in moves],
        )
        if n_moved != len(moves):
            raise FencedError("another associator has written this partition")

    async def lock_stream(self, name: str) -> LockedStream | None:
        """Lock a stream for this transaction: its statistics change in one at a time."""
        rows = await self._fetch("lock_stream", name=name)
        return LockedStream(**rows[0]) if rows else None

    async def ensure_stream(
        self, name: str, *, systematic_position_error_deg: float
    ) -> LockedStream:
        """Lock a stream for this transaction; it is created if it is new.

        Parameters
        ----------
        name : str
            Name that the images carry.
        systematic_position_error_deg : float
            Systematic error of a position, per axis; readers of the catalogue need it too [deg].
        """
        stream = await self.lock_stream(name)
        if stream and stream.systematic_position_error_deg == systematic_position_error_deg:
            return stream
        [row] = await self._fetch(
            "ensure_stream",
            name=name,
            systematic_position_error_deg=systematic_position_error_deg,
        )
        return LockedStream(**row)

    async def load_start(
        self, stream_id: int, stream: str | None, *, n_images: int
    ) -> TimestepStart:
        """Return what every timestep of a stream starts from.

        Parameters
        ----------
        stream_id : int
            The stream.
        stream : str or None
            Its name; None: monitors are not needed.
        n_images : int
            Images that need a key [-].
        """
        [row] = await self._fetch(
            "select_timestep_start", stream_id=stream_id, stream=stream, n_images=n_images
        )
        bands = zip(row["freq_eff_hz"] or (), row["freq_bw_hz"] or (), strict=True)
        ids = row["band_id"] or ()
        return TimestepStart(
            bands={Band(*band): number for band, number in zip(bands, ids, strict=True)},
            monitors=_to_monitors(row),
            look=0 if row["look"] is None else row["look"],
            tracks=_to_tracks(row),
            image_keys=row["image_key"],
        )

    async def ensure_band(self, stream_id: int, band: Band) -> int:
        """Return the id of a band, which is created if it is new."""
        return int(
            await self._fetchval(
                "ensure_band",
                stream_id=stream_id,
                freq_eff_hz=band.freq_eff_hz,
                freq_bw_hz=band.freq_bw_hz,
            )
        )

    async def find_images(
        self,
        stream_id: int,
        image_ids: Sequence[str],
        times: tuple[datetime, datetime] | None,
    ) -> tuple[dict[str, KnownImage], list[SameTimeImage]]:
        """Return those of some images that are stored, and accepted ones of a time.

        Parameters
        ----------
        stream_id : int
            Stream.
        image_ids : sequence of str
            sha256 of the images.
        times : (datetime, datetime) or None
            Between which the exposures of the accepted ones start, inclusive; None: of no time.
        """
        from_time, to_time = times or (None, None)
        rows = await self._fetch(
            "find_images",
            stream_id=stream_id,
            image_id=list(image_ids),
            from_time=from_time,
            to_time=to_time,
        )
        return (
            {row["image_id"]: _to_known_image(row) for row in rows if row["is_known"]},
            [_to_same_time_image(row) for row in rows if not row["is_known"]],
        )

    async def delete_rejected_images(self, stream_id: int, image_ids: Sequence[str]) -> None:
        """Delete rejected images that were sent again and are accepted now."""
        await self._execute(
            "delete_rejected_images", stream_id=stream_id, image_id=list(image_ids)
        )

    async def record_outcomes(self, stream: str, entries: Sequence[LedgerEntry]) -> None:
        """Write the ledger."""
        sources = [entry.record.source for entry in entries]
        await self._execute(
            "record_image_outcomes",
            stream=stream,
            kafka_cluster_id=[source.cluster_id for source in sources],
            kafka_topic=[source.topic for source in sources],
            kafka_partition=[source.partition for source in sources],
            kafka_offset=[source.offset for source in sources],
            image_id=[entry.record.image_id for entry in entries],
            outcome=[entry.outcome for entry in entries],
            reasons=[",".join(entry.reasons or entry.record.reasons) for entry in entries],
        )

    async def insert_timestep(
        self,
        stream_id: int,
        time_start: datetime,
        *,
        is_late: bool,
        n_images: int,
        now: datetime,
        months: Sequence[datetime] = (),
    ) -> int:
        """Store a timestep and return its id.

        Parameters
        ----------
        stream_id : int
            The stream.
        time_start : datetime
            Start of its first exposure.
        is_late : bool
            Whether the stream was closed beyond it.
        n_images : int
            Its images [-].
        now : datetime
            When it was associated.
        months : sequence of datetime
            Moments for which `detection` must have partitions.
        """
        return int(
            await self._fetchval(
                "insert_timestep",
                stream_id=stream_id,
                time_start=time_start,
                is_late=is_late,
                n_images=n_images,
                time_associated=now,
                month=list(months),
            )
        )

    async def insert_images(
        self,
        images: Sequence[ImageRow],
        *,
        stream_id: int,
        timestep_id: int | None,
        is_late: bool,
        now: datetime,
    ) -> None:
        """Store the images of a timestep."""
        shared = {
            "stream_id": stream_id, "timestep_id": timestep_id, "is_late": is_late,
            "time_associated": now,
        }  # fmt: skip
        await self._execute_each("insert_image", [shared | _to_values(each) for each in images])

    async def load_solutions(
        self, stream_id: int, image_ids: Sequence[str]
    ) -> dict[str, tuple[ImageSolution, tuple[float, float]]]:
        """Return what was applied to images, and the centres of their fields [deg], by sha256."""
        rows = await self._fetch("select_solutions", stream_id=stream_id, image_id=list(image_ids))
        found = dict.fromkeys(image_ids, (NO_SOLUTION, (0.0, 0.0)))
        for row in map(dict, rows):
            image_id, centre = row.pop("image_id"), (row.pop("field_ra"), row.pop("field_dec"))
            found[image_id] = ImageSolution(**row), centre
        return found

    async def load_image_ids(self, image_keys: Sequence[int]) -> dict[int, str]:
        """Return the sha256 of images by their keys."""
        rows = await self._fetch("select_image_ids", image_key=list(image_keys))
        return {row["image_key"]: row["image_id"] for row in rows}

    async def load_prior_coverage(
        self, key: ChannelKey, ra: FloatArray, dec: FloatArray
    ) -> tuple[PriorCoverage, ...]:
        """Return the deepest earlier images of a channel around positions [deg]."""
        band_id, stokes = key
        orders = await self._fetch(
            "select_coverage_orders", band_id=band_id, stokes=stokes, max_order=MAX_ORDER
        )
        cells = cells_around(ra, dec, [row["k"] for row in orders])
        rows = await self._fetch(
            "select_prior_coverage", band_id=band_id, stokes=stokes, cell=cells
        )
        return tuple(
            PriorCoverage(
                wcs_header=row["wcs_header"],
                shape=(row["height_px"], row["width_px"]),
                margin_px=row["margin_px"],
                detection_threshold_sigma=row["detection_threshold_sigma"],
                rms_grid=np.array(row["rms_grid"]).reshape(-1, row["rms_grid_columns"]),
                image_key=row["image_key"],
                time_start=row["time_start"],
                is_late=row["is_late"],
            )
            for row in rows
        )

    async def upsert_sky_coverage(self, images: Sequence[CoverageRows]) -> None:
        """Keep images in the cells where they are the deepest of their channel."""
        await self._execute_each(
            "upsert_sky_coverage",
            [
                {
                    "band_id": image.key[0],
                    "stokes": image.key[1],
                    "image_key": image.image_key,
                    "cell": image.cell,
                    "rms_jy_beam": image.rms_jy_beam,
                }
                for image in images
            ],
        )

    async def close_timestep(
        self,
        stream_id: int,
        closed_until: datetime,
        channels: Sequence[tuple[int, ExpectedChannel]],
        *,
        is_looked: bool,
    ) -> None:
        """Store up to where a stream is closed, and what its next timestep waits for.

        Parameters
        ----------
        stream_id : int
            Stream.
        closed_until : datetime
            Start of the timestep.
        channels : sequence of (int, ExpectedChannel)
            What is waited for, each with the id of its band.
        is_looked : bool
            Whether an image looked at the sky then.
        """
        await self._execute(
            "close_timestep",
            stream_id=stream_id,
            closed_until=closed_until,
            is_looked=is_looked,
            band_id=[band_id for band_id, _ in channels],
            stokes=[channel.stokes for _, channel in channels],
            last_time_start=[channel.last_time_start for _, channel in channels],
            missed_timesteps=[channel.missed_timesteps for _, channel in channels],
        )


def _to_values(image: ImageRow) -> dict[str, object]:
    """Return what only this image of its timestep has, by the parameters of the statement."""
    record, grid = image.record, image.record.rms_grid
    negative = record.negative_peaks
    return {
        "image_key": image.image_key,
        "image_id": record.image_id,
        "band_id": image.band_id,
        "verdict": record.verdict,
        "reasons": list(record.reasons),
        "reason_text": to_storable_text(record.reason_text or "") or None,
        **{name: getattr(record.metadata, name, None) for name in _METADATA},
        "margin_px": record.margin_px,
        "rms_jy_beam": record.rms_jy_beam,
        "detection_threshold_sigma": record.detection_threshold_sigma,
        "rms_grid_cell_px": None if grid is None else grid.cell_px,
        "rms_grid_columns": None if grid is None else grid.rms_jy_beam.shape[1],
        "rms_grid": None if grid is None else grid.rms_jy_beam.ravel(),
        "n_sources": len(record.sources),
        "kafka_cluster_id": record.source.cluster_id,
        "kafka_topic": record.source.topic,
        "kafka_partition": record.source.partition,
        "kafka_offset": record.source.offset,
        "time_sent": record.times.time_sent,
        "time_appended": record.times.time_appended,
        "time_extracted": record.times.time_extracted,
        "warnings": [to_storable_text(each) for each in record.warnings],
        **{name: getattr(image.solution, name) for name in ImageSolution.columns()},
        "n_negative_peaks": None if negative is None else negative.n_peaks,
        "negative_snr": None if negative is None else list(negative.snr),
        "searched_deg2": None if negative is None else negative.searched_deg2,
    }


def _to_monitors(row: asyncpg.Record) -> Monitors:
    return Monitors(
        id=np.array(row["monitor_id"] or (), np.int64),
        ra=np.array(row["monitor_ra"] or (), np.float64),
        dec=np.array(row["monitor_dec"] or (), np.float64),
        source_id=np.array(row["monitor_source_id"] or (), np.int64),
        pm_ra_cosdec_mas_yr=np.array(row["pm_ra_cosdec_mas_yr"] or (), np.float64),
        pm_dec_mas_yr=np.array(row["pm_dec_mas_yr"] or (), np.float64),
        epoch_yr=np.array(row["epoch_yr"] or (), np.float64),
    )


def _to_tracks(row: asyncpg.Record) -> RowArray:
    if row["look"] is None:
        return NO_TRACKS
    points = np.zeros(len(row["source_id"]), TRACK_DTYPE)
    for name, column in TRACK_COLUMNS.items():
        points[name] = row[column]
    return points


def _to_known_image(row: asyncpg.Record) -> KnownImage:
    source = SourceOffset(
        cluster_id=row["kafka_cluster_id"],
        topic=row["kafka_topic"],
        partition=row["kafka_partition"],
        offset=row["kafka_offset"],
    )
    return KnownImage(source, row["verdict"])


def _to_same_time_image(row: asyncpg.Record) -> SameTimeImage:
    return SameTimeImage(**{name: row[name] for name in _EXPOSURE})
