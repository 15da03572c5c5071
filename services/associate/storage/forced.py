"""What is missed, what is watched, and what is measured there."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from runtime.sql import load_query
from schemas.event_json import event_from_json
from schemas.messages import BoolArray, ForcedMeasurements, IntArray, SourceEvent
from services.associate.models import BandFlux, Monitors, NullDetections, RetractionCandidate
from services.associate.storage.transaction import PACKAGE, Transaction

__all__ = ["ForcedRows"]

# Blind sources of an image have the numbers below.
_FIRST_FORCED_NUMBER = 1 << 24


class ForcedRows(Transaction):
    """Tables `null_detection`, `monitor` and `forced_gap`; forced rows of `detection`."""

    async def load_null_detections(
        self, stream_id: int, ids_seen: IntArray, tolerance_s: float
    ) -> NullDetections:
        """Return what a timestep misses that was seen in the last one, or misses since longer."""
        rows = await self._connection.fetch(
            load_query(PACKAGE, "select_null_detections"),
            stream_id, timedelta(seconds=tolerance_s), ids_seen.tolist(),
        )  # fmt: skip
        return NullDetections(
            np.array([row["id"] for row in rows], np.int64),
            np.array([row["ra"] for row in rows], np.float64),
            np.array([row["dec"] for row in rows], np.float64),
            np.array([row["n_timesteps"] for row in rows], np.int64),
        )

    async def write_null_detections(
        self, stream_id: int, *, missed: IntArray, n_timesteps: IntArray, gone: IntArray
    ) -> None:
        """Note for how long sources have been missed, and forget those that are not any more."""
        if missed.size:
            await self._execute(
                "upsert_null_detections", stream_id, missed.tolist(), n_timesteps.tolist()
            )
        if gone.size:
            await self._execute("delete_null_detections", stream_id, gone.tolist())

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

    async def insert_forced(self, answer: ForcedMeasurements) -> BoolArray:
        """Store the fluxes of an answer; return which were not there before, and are now."""
        columns = answer.measurements
        done = _is_measured(answer)
        rows = await self._connection.fetch(
            load_query(PACKAGE, "insert_forced"),
            answer.stream,
            answer.image_id,
            (_FIRST_FORCED_NUMBER + np.flatnonzero(done)).tolist(),
            columns.position_id[done].tolist(),
            np.array(columns.extraction_type, object)[done].tolist(),
            columns.ra[done].tolist(),
            columns.dec[done].tolist(),
            columns.flux_peak_jy_beam[done].tolist(),
            columns.flux_peak_err_jy_beam[done].tolist(),
            columns.rms_local_jy_beam[done].tolist(),
        )
        is_stored = np.zeros(done.size, np.bool_)
        is_stored[[row["source_number"] - _FIRST_FORCED_NUMBER for row in rows]] = True
        return is_stored

    async def insert_gaps(self, answer: ForcedMeasurements) -> None:
        """Store why an answer has no fluxes elsewhere."""
        columns = answer.measurements
        await self._execute(
            "insert_gaps",
            answer.stream,
            answer.image_id,
            columns.position_id[~_is_measured(answer)].tolist(),
            [reason for reason in columns.reason if reason],
        )

    async def lock_retraction_candidates(
        self, answer: ForcedMeasurements, wanted: BoolArray, tolerance_s: float
    ) -> list[RetractionCandidate]:
        """Lock the new sources that fluxes of an answer, the wanted ones, may deny."""
        columns = answer.measurements
        numbers = np.flatnonzero(wanted).tolist()
        if not numbers:
            return []
        # A place may be there twice: the first one counts.
        first = {int(columns.position_id[number]): number for number in reversed(numbers)}
        rows = await self._connection.fetch(
            load_query(PACKAGE, "lock_retraction_candidates"),
            answer.stream, answer.image_id, list(first), timedelta(seconds=tolerance_s),
        )  # fmt: skip
        return [
            _to_retraction_candidate(
                event_from_json(row["told"]),
                BandFlux(
                    float(columns.flux_peak_jy_beam[first[row["source_id"]]]),
                    float(columns.flux_peak_err_jy_beam[first[row["source_id"]]]),
                    row["freq_eff_hz"],
                    row["stokes"],
                ),
            )
            for row in rows
        ]


def _is_measured(answer: ForcedMeasurements) -> BoolArray:
    return np.array([not reason for reason in answer.measurements.reason], np.bool_)


def _to_retraction_candidate(told: SourceEvent, other: BandFlux) -> RetractionCandidate:
    seen = BandFlux(
        told.flux_peak_jy_beam, told.flux_peak_err_jy_beam, told.freq_eff_hz, told.stokes
    )
    return RetractionCandidate(told, seen, other)
