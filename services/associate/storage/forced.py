"""Null detections, monitors and forced measurements."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime

import asyncpg
import numpy as np

from schemas.event_json import event_from_json
from schemas.messages import (
    BoolArray,
    ForcedMeasurements,
    ImageDetections,
    ImageMetadata,
    IntArray,
    SourceOffset,
    StageTimes,
)
from services.associate.models.catalogue import (
    FIRST_FORCED_NUMBER,
    BandFlux,
    MeasuredImage,
    Monitors,
    NullDetections,
)
from services.associate.models.contradictions import (
    BandImage,
    JudgementTimes,
    RetractionCandidate,
    StreamBands,
)
from services.associate.models.decisions import MonitorSource, NullDetectionRows
from services.associate.storage.transaction import Transaction
from sky.geometry import Probes

__all__ = ["ForcedTables"]

_NO_OFFSET = SourceOffset(cluster_id="", topic="", partition=0, offset=0)


class ForcedTables(Transaction):
    """Tables `null_detection`, `monitor` and `forced_gap`; forced rows of `detection`."""

    async def load_null_detections(
        self, stream_id: int, detected_ids: IntArray, waits: JudgementTimes, field: Probes
    ) -> NullDetections:
        """Return known sources that a timestep does not detect: in its field, or just now seen."""
        rows = await self._fetch_planned(
            "select_null_detections",
            stream_id=stream_id,
            tolerance=waits.tolerance,
            detected_id=detected_ids.tolist(),
            zone=field.zone.tolist(),
            ra_low=field.ra_low.tolist(),
            ra_high=field.ra_high.tolist(),
            longest_wait=waits.longest,
        )
        return NullDetections(
            id=np.array([row["id"] for row in rows], np.int64),
            ra=np.array([row["ra"] for row in rows], np.float64),
            dec=np.array([row["dec"] for row in rows], np.float64),
            n_timesteps=np.array([row["n_timesteps"] for row in rows], np.int64),
            is_stored=np.array([row["is_stored"] for row in rows], np.bool_),
            is_pending=np.array([row["is_pending"] for row in rows], np.bool_),
            is_active=np.array([row["is_active"] for row in rows], np.bool_),
        )

    async def write_null_detections(self, stream_id: int, rows: NullDetectionRows) -> None:
        """Store for how long sources have had null detections, and delete those that ended."""
        if rows.source_id.size:
            await self._execute(
                "upsert_null_detections",
                stream_id=stream_id,
                source_id=rows.source_id.tolist(),
                n_timesteps=rows.n_timesteps.tolist(),
                zone=rows.zone.tolist(),
                ra=rows.ra.tolist(),
                dec=rows.dec.tolist(),
            )
        if rows.ended.size:
            await self._execute(
                "delete_null_detections", stream_id=stream_id, source_id=rows.ended.tolist()
            )

    async def load_monitors(self, stream: str) -> Monitors:
        """Return the monitored positions of a stream."""
        rows = await self._fetch("select_monitors", stream=stream)
        return Monitors(
            id=np.array([row["id"] for row in rows], np.int64),
            ra=np.array([row["ra"] for row in rows], np.float64),
            dec=np.array([row["dec"] for row in rows], np.float64),
            source_id=np.array([row["source_id"] for row in rows], np.int64),
        )

    async def insert_monitor_sources(
        self, stream_id: int, sources: Sequence[MonitorSource]
    ) -> None:
        """Store the sources that hold the light curves of monitors."""
        await self._execute(
            "insert_monitor_sources",
            stream_id=stream_id,
            monitor_id=[each.monitor_id for each in sources],
            source_id=[each.source_id for each in sources],
            first_image_key=[each.first_image_key for each in sources],
            first_time_start=[each.first_time_start for each in sources],
        )

    async def lock_stream(self, name: str) -> int | None:
        """Lock a stream for this transaction: its statistics change in one at a time."""
        stream_id: int | None = await self._fetchval("lock_stream", name=name)
        return stream_id

    async def load_measured_image(self, stream_id: int, image_id: str) -> MeasuredImage:
        """Return an accepted image that is stored, without its sources."""
        (row,) = await self._fetch("select_measured_image", stream_id=stream_id, image_id=image_id)
        metadata = ImageMetadata(**{each.name: row[each.name] for each in fields(ImageMetadata)})
        times = ("time_sent", "time_appended", "time_extracted")
        record = ImageDetections(
            image_id=image_id,
            stream="",
            source=_NO_OFFSET,
            verdict="accepted",
            metadata=metadata,
            margin_px=row["margin_px"],
            detection_threshold_sigma=row["detection_threshold_sigma"],
            times=StageTimes(**{name: row[name] for name in times}),
        )
        return MeasuredImage(row["image_key"], (row["band_id"], row["stokes"]), record)

    async def insert_forced(self, result: ForcedMeasurements) -> BoolArray:
        """Store the fluxes of a result; return which were not there before, and are now."""
        columns = result.measurements
        done = _is_measured(result)
        rows = await self._fetch(
            "insert_forced",
            stream=result.stream,
            image_id=result.image_id,
            source_number=(FIRST_FORCED_NUMBER + np.flatnonzero(done)).tolist(),
            source_id=columns.position_id[done].tolist(),
            extraction_type=np.array(columns.extraction_type, object)[done].tolist(),
            ra=columns.ra[done].tolist(),
            dec=columns.dec[done].tolist(),
            flux_peak_jy_beam=columns.flux_peak_jy_beam[done].tolist(),
            flux_peak_err_jy_beam=columns.flux_peak_err_jy_beam[done].tolist(),
            rms_local_jy_beam=columns.rms_local_jy_beam[done].tolist(),
        )
        is_stored = np.zeros(done.size, np.bool_)
        is_stored[[row["source_number"] - FIRST_FORCED_NUMBER for row in rows]] = True
        return is_stored

    async def insert_gaps(self, result: ForcedMeasurements) -> None:
        """Store the reasons of a result where it has no fluxes."""
        columns = result.measurements
        await self._execute(
            "insert_gaps",
            stream=result.stream,
            image_id=result.image_id,
            source_id=columns.position_id[~_is_measured(result)].tolist(),
            reason=[reason for reason in columns.reason if reason],
        )

    async def load_stream_bands(self, stream: str) -> tuple[int, StreamBands] | None:
        """Return the id of a stream and what it has observed; None for an unknown stream."""
        rows = await self._fetch("select_stream_bands", name=stream)
        if not rows:
            return None
        (row,) = rows
        return row["stream_id"], StreamBands(tuple(row["freq_eff_hz"]), row["looked_until"])

    async def lock_retraction_candidates(
        self, stream_id: int, image_id: str, source_ids: IntArray, *, waits: JudgementTimes
    ) -> list[RetractionCandidate]:
        """Lock the new sources that forced fluxes of an image may contradict."""
        rows = await self._fetch(
            "lock_retraction_candidates",
            stream_id=stream_id,
            image_id=image_id,
            source_id=source_ids.tolist(),
            tolerance=waits.tolerance,
            longest_wait=waits.longest,
        )
        return [_to_candidate(row, stream_id) for row in rows]

    async def mark_judged(self, transient_ids: Sequence[int]) -> None:
        """Note that no other band contradicts new sources."""
        if transient_ids:
            await self._execute("mark_judged", id=list(transient_ids))

    async def load_band_images(
        self, candidate: RetractionCandidate, from_time: datetime, to_time: datetime
    ) -> list[BandImage]:
        """Return the images of other bands that start between two times."""
        rows = await self._fetch(
            "select_band_images",
            stream_id=candidate.stream_id,
            source_id=candidate.last_event.source_id,
            band_id=candidate.band_id,
            stokes=candidate.detected.stokes,
            from_time=from_time,
            to_time=to_time,
        )
        return [_to_band_image(row) for row in rows]


def _is_measured(result: ForcedMeasurements) -> BoolArray:
    return np.array([not reason for reason in result.measurements.reason], np.bool_)


def _to_candidate(row: asyncpg.Record, stream_id: int) -> RetractionCandidate:
    last = event_from_json(row["last_event"])
    return RetractionCandidate(
        last_event=last,
        stream_id=stream_id,
        band_id=row["band_id"],
        time_start=row["time_start"],
        exposure_s=row["exposure_s"],
        detected=BandFlux(
            flux_peak_jy_beam=last.flux_peak_jy_beam,
            flux_peak_err_jy_beam=last.flux_peak_err_jy_beam,
            freq_eff_hz=last.freq_eff_hz,
            stokes=last.stokes,
        ),
    )


def _to_band_image(row: asyncpg.Record) -> BandImage:
    flux, err = row["flux_peak_jy_beam"], row["flux_peak_err_jy_beam"]
    return BandImage(
        band_id=row["band_id"],
        freq_eff_hz=row["freq_eff_hz"],
        stokes=row["stokes"],
        time_start=row["time_start"],
        exposure_s=row["exposure_s"],
        forced=None if flux is None else BandFlux(flux, err, row["freq_eff_hz"], row["stokes"]),
        is_gap=row["is_gap"],
        limit_jy_beam=row["limit_jy_beam"],
        rms_jy_beam=row["rms_jy_beam"],
        wcs_header=row["wcs_header"],
        shape=(row["height_px"], row["width_px"]),
        margin_px=row["margin_px"],
    )
