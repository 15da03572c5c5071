"""Null detections, monitors and forced measurements."""

from collections.abc import Sequence
from datetime import timedelta

import asyncpg
import numpy as np

from schemas.event_json import event_from_json
from schemas.messages import BoolArray, ForcedColumns, ForcedMeasurements, IntArray
from services.associate.models.catalogue import (
    BandFlux,
    Monitors,
    NullDetections,
    RetractionCandidate,
)
from services.associate.models.decisions import MonitorSource, NullDetectionRows
from services.associate.storage.transaction import Transaction
from sky.geometry import Probes

__all__ = ["ForcedTables"]

# Blind detections of an image have the numbers below.
_FIRST_FORCED_NUMBER = 1 << 24


class ForcedTables(Transaction):
    """Tables `null_detection`, `monitor` and `forced_gap`; forced rows of `detection`."""

    async def load_null_detections(
        self, stream_id: int, detected_ids: IntArray, tolerance_s: float, field: Probes
    ) -> NullDetections:
        """Return known sources that a timestep does not detect: in its field, or just now seen."""
        rows = await self._fetch(
            "select_null_detections",
            stream_id=stream_id,
            tolerance=timedelta(seconds=tolerance_s),
            detected_id=detected_ids.tolist(),
            zone=field.zone.tolist(),
            ra_low=field.ra_low.tolist(),
            ra_high=field.ra_high.tolist(),
        )
        return NullDetections(
            id=np.array([row["id"] for row in rows], np.int64),
            ra=np.array([row["ra"] for row in rows], np.float64),
            dec=np.array([row["dec"] for row in rows], np.float64),
            n_timesteps=np.array([row["n_timesteps"] for row in rows], np.int64),
            is_stored=np.array([row["is_stored"] for row in rows], np.bool_),
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

    async def insert_forced(self, result: ForcedMeasurements) -> BoolArray:
        """Store the fluxes of a result; return which were not there before, and are now."""
        columns = result.measurements
        done = _is_measured(result)
        rows = await self._fetch(
            "insert_forced",
            stream=result.stream,
            image_id=result.image_id,
            source_number=(_FIRST_FORCED_NUMBER + np.flatnonzero(done)).tolist(),
            source_id=columns.position_id[done].tolist(),
            extraction_type=np.array(columns.extraction_type, object)[done].tolist(),
            ra=columns.ra[done].tolist(),
            dec=columns.dec[done].tolist(),
            flux_peak_jy_beam=columns.flux_peak_jy_beam[done].tolist(),
            flux_peak_err_jy_beam=columns.flux_peak_err_jy_beam[done].tolist(),
            rms_local_jy_beam=columns.rms_local_jy_beam[done].tolist(),
        )
        is_stored = np.zeros(done.size, np.bool_)
        is_stored[[row["source_number"] - _FIRST_FORCED_NUMBER for row in rows]] = True
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

    async def lock_retraction_candidates(
        self, result: ForcedMeasurements, wanted: BoolArray, tolerance_s: float
    ) -> list[RetractionCandidate]:
        """Lock the new sources that the wanted fluxes of a result may contradict."""
        columns = result.measurements
        numbers = np.flatnonzero(wanted).tolist()
        if not numbers:
            return []
        # A position may be there twice: the first one counts.
        first = {int(columns.position_id[number]): number for number in reversed(numbers)}
        rows = await self._fetch(
            "lock_retraction_candidates",
            stream=result.stream,
            image_id=result.image_id,
            source_id=list(first),
            tolerance=timedelta(seconds=tolerance_s),
        )
        return [_to_candidate(row, columns, first[row["source_id"]]) for row in rows]


def _is_measured(result: ForcedMeasurements) -> BoolArray:
    return np.array([not reason for reason in result.measurements.reason], np.bool_)


def _to_candidate(row: asyncpg.Record, columns: ForcedColumns, number: int) -> RetractionCandidate:
    last = event_from_json(row["last_event"])
    return RetractionCandidate(
        last_event=last,
        detected=BandFlux(
            flux_peak_jy_beam=last.flux_peak_jy_beam,
            flux_peak_err_jy_beam=last.flux_peak_err_jy_beam,
            freq_eff_hz=last.freq_eff_hz,
            stokes=last.stokes,
        ),
        forced=BandFlux(
            flux_peak_jy_beam=float(columns.flux_peak_jy_beam[number]),
            flux_peak_err_jy_beam=float(columns.flux_peak_err_jy_beam[number]),
            freq_eff_hz=row["freq_eff_hz"],
            stokes=row["stokes"],
        ),
    )
