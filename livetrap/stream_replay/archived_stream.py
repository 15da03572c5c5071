"""A stream of the archive: its images in the order of their exposures, and forced fluxes."""

import heapq
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import numpy as np

from livetrap.stream_replay.archive_files import (
    ArchivedRecord,
    list_files,
    read_column,
    read_records,
)
from schemas.codec import decode_forced_measurements, decode_image_detections
from schemas.messages import ForcedColumns, ForcedMeasurements, ForcedRequest, ImageDetections
from sky.geometry import to_unit_vectors

__all__ = ["ArchivedFluxes", "read_timesteps"]

# Records that may come before one of an earlier exposure.
_MOST_DISORDER = 2000
# Two positions closer than this are one: those of a source move with each detection [arcsec].
_SAME_ARCSEC = 0.5
_NOTHING_KEPT = "not_kept"


def read_timesteps(
    archive: Path, stream: str, since: datetime, until: datetime, *, tolerance_s: float
) -> Iterator[list[ImageDetections]]:
    """Return the images of a stream by timestep, in order of time, then of frequency.

    Parameters
    ----------
    archive : Path
        Folder of the archive.
    stream : str
        The stream.
    since, until : datetime
        Exposures start from `since` on and before `until`.
    tolerance_s : float
        Images this close in start time share a timestep [s].
    """
    timestep: list[ImageDetections] = []
    start: datetime | None = None
    seen: set[str] = set()
    for record in _in_order(archive, stream, since, until):
        if record.time_start is None or record.image_id in seen:
            continue
        if start is not None and (record.time_start - start).total_seconds() > tolerance_s:
            yield _by_frequency(timestep)
            timestep, start, seen = [], None, set()
        start = start or record.time_start
        seen.add(record.image_id)
        timestep.append(decode_image_detections(record.value))
    if timestep:
        yield _by_frequency(timestep)


def _by_frequency(records: list[ImageDetections]) -> list[ImageDetections]:
    return sorted(
        records,
        key=lambda each: (each.metadata.freq_eff_hz if each.metadata else 0.0, each.image_id),
    )


def _in_order(
    archive: Path, stream: str, since: datetime, until: datetime
) -> Iterator[ArchivedRecord]:
    """Return the records of a period by time; a few are in memory at once."""
    heap: list[tuple[datetime, str, int, ArchivedRecord]] = []
    number = 0
    for path in list_files(archive, "detections", stream):
        for record in read_records(path):
            if record.time_start is None or not since <= record.time_start < until:
                continue
            number += 1
            heapq.heappush(heap, (record.time_start, record.image_id, number, record))
            if len(heap) > _MOST_DISORDER:
                yield heapq.heappop(heap)[-1]
    while heap:
        yield heapq.heappop(heap)[-1]


class ArchivedFluxes:
    """Answers requests with what was measured when the stream was live.

    Parameters
    ----------
    archive : Path
        Folder of the archive.
    stream : str
        The stream.
    """

    def __init__(self, archive: Path, stream: str) -> None:
        self._groups: dict[str, list[tuple[Path, int]]] = {}
        for path in list_files(archive, "forced", stream):
            for group, image_ids in enumerate(read_column(path, "image_id")):
                for image_id in set(image_ids):
                    self._groups.setdefault(image_id, []).append((path, group))
        self._read = lru_cache(maxsize=16)(_read_results)
        self.n_answered = 0
        self.n_missing = 0

    def answer(self, request: ForcedRequest) -> ForcedMeasurements:
        """Return the fluxes at the positions of a request; a reason where there are none."""
        known = [
            result.measurements
            for place in self._groups.get(request.image_id, ())
            for result in self._read(*place).get(request.image_id, ())
        ]
        columns = _measure(request, known)
        n_missing = columns.reason.count(_NOTHING_KEPT)
        self.n_missing += n_missing
        self.n_answered += len(columns.reason) - n_missing
        return ForcedMeasurements(
            image_id=request.image_id,
            stream=request.stream,
            source=request.source,
            measurements=columns,
        )


def _read_results(path: Path, group: int) -> dict[str, list[ForcedMeasurements]]:
    found: dict[str, list[ForcedMeasurements]] = {}
    for record in read_records(path, group):
        found.setdefault(record.image_id, []).append(decode_forced_measurements(record.value))
    return found


def _measure(request: ForcedRequest, known: list[ForcedColumns]) -> ForcedColumns:
    """Return for each position the flux that was measured nearest to it, of the same type."""
    positions = request.positions
    n = len(positions.extraction_type)
    fluxes = {
        name: np.full(n, np.nan)
        for name in ("flux_peak_jy_beam", "flux_peak_err_jy_beam", "rms_local_jy_beam")
    }
    reasons = [_NOTHING_KEPT] * n
    limit = 2 * np.sin(np.radians(_SAME_ARCSEC / 3600) / 2)
    wanted = to_unit_vectors(positions.ra, positions.dec)
    for columns in known:
        there = to_unit_vectors(columns.ra, columns.dec)
        for number in range(n):
            if reasons[number] != _NOTHING_KEPT or not len(columns.reason):
                continue
            away = np.linalg.norm(there - wanted[:, [number]], axis=0)
            is_same = np.array(columns.extraction_type) == positions.extraction_type[number]
            away = np.where(is_same, away, np.inf)
            nearest = int(np.argmin(away))
            if away[nearest] > limit:
                continue
            reasons[number] = columns.reason[nearest]
            for name, values in fluxes.items():
                values[number] = getattr(columns, name)[nearest]
    return ForcedColumns(
        position_id=positions.position_id,
        extraction_type=positions.extraction_type,
        ra=positions.ra,
        dec=positions.dec,
        reason=tuple(reasons),
        **fluxes,
    )
