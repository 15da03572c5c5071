"""What is missed, what is watched, and what is measured there."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime, timedelta

import numpy as np

from runtime.sql import load_query
from schemas.event_json import event_from_json
from schemas.messages import BoolArray, ForcedMeasurements, IntArray
from services.associate.models import BandFlux, MissedSources, Monitors, Suspect
from services.associate.storage.transaction import PACKAGE, Transaction

__all__ = ["ForcedRows"]

# Blind sources of an image have the numbers below.
_FIRST_FORCED_NUMBER = 1 << 24


class ForcedRows(Transaction):
    """Tables `missed_source`, `monitor` and `forced_gap`; forced rows of `detection`."""

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

    async def insert_forced(self, answer: ForcedMeasurements) -> None:
        """Store the fluxes of an answer; what is stored already stays as it is."""
        columns = answer.measurements
        done = _is_measured(answer)
        await self._execute(
            "insert_forced",
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

    async def lock_suspects(self, answer: ForcedMeasurements, tolerance_s: float) -> list[Suspect]:
        """Lock the new sources that a stored answer may deny; return what both bands have."""
        forced = np.array(answer.measurements.extraction_type, object) == "forced"
        ids = answer.measurements.position_id[forced & _is_measured(answer)]
        if not ids.size:
            return []
        rows = await self._connection.fetch(
            load_query(PACKAGE, "lock_suspects"),
            answer.stream, answer.image_id, ids.tolist(), timedelta(seconds=tolerance_s),
        )  # fmt: skip
        return [
            Suspect(
                event_from_json(row["told"]),
                BandFlux(*(row[f"seen_{each.name}"] for each in fields(BandFlux))),
                BandFlux(*(row[each.name] for each in fields(BandFlux))),
            )
            for row in rows
        ]


def _is_measured(answer: ForcedMeasurements) -> BoolArray:
    return np.array([not reason for reason in answer.measurements.reason], np.bool_)
