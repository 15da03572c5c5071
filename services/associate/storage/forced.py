"""Null detections, monitors and forced measurements."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import numpy as np
import numpy.typing as npt

from schemas.event_json import event_from_json
from schemas.messages import (
    BoolArray,
    ForcedColumns,
    ForcedMeasurements,
    ImageDetections,
    ImageMetadata,
    IntArray,
    SourceOffset,
    StageTimes,
)
from services.associate.models.catalogue import (
    FIRST_FORCED_NUMBER,
    N_FORCED_NUMBERS,
    BandFlux,
    MeasuredImage,
    NullDetections,
)
from services.associate.models.contradictions import (
    BandImage,
    JudgementTimes,
    RetractionCandidate,
    StreamBands,
)
from services.associate.models.decisions import (
    DetectionRows,
    MonitorSource,
    NullDetectionRows,
)
from services.associate.models.look_back import look_back_number
from services.associate.models.timesteps import LockedStream
from services.associate.storage.detected_ids import DetectedIds, KnownDetections
from services.associate.storage.transaction import Transaction
from sky.geometry import Probes
from sky.id_sets import is_in, unique_ids

__all__ = ["ForcedTables"]

AnyArray = npt.NDArray[Any]
_FLUX_COLUMNS = (
    "ra", "dec", "flux_peak_jy_beam", "flux_peak_err_jy_beam", "rms_local_jy_beam",
)  # fmt: skip
_NO_OFFSET = SourceOffset(cluster_id="", topic="", partition=0, offset=0)


class ForcedTables(Transaction):
    """Tables `null_detection`, `monitor` and `forced_gap`; forced rows of `detection`."""

    # What earlier transactions have written; see `Catalogue`.
    _detected_ids: DetectedIds

    async def load_null_detections(
        self,
        stream: LockedStream,
        detected_ids: IntArray,
        waits: JudgementTimes,
        field: Probes,
    ) -> NullDetections:
        """Return known sources that a timestep does not detect.

        Those that the timestep before it detected, wherever they are, and those of its field that
        were not detected for longer.
        """
        missed = unique_ids(await self._load_detected_ids(stream, waits.tolerance))
        until = stream.looked_until
        rows = await self._fetch(
            "select_null_detections",
            stream_id=stream.id,
            source_id=missed[~is_in(missed, detected_ids)],
            zone=field.zone,
            ra_low=field.ra_low,
            ra_high=field.ra_high,
            pending_since=(
                None if until is None or waits.longest is None else until - waits.longest
            ),
        )
        again = is_in([row["id"] for row in rows], detected_ids)
        rest = [row for row, is_again in zip(rows, again.tolist(), strict=True) if not is_again]
        return NullDetections(
            id=np.array([row["id"] for row in rest], np.int64),
            ra=np.array([row["ra"] for row in rest], np.float64),
            dec=np.array([row["dec"] for row in rest], np.float64),
            n_timesteps=np.array([row["n_timesteps"] for row in rest], np.int64),
            is_stored=np.array([row["is_stored"] for row in rest], np.bool_),
            is_pending=np.array([row["is_pending"] for row in rest], np.bool_),
            is_active=np.array([row["is_active"] for row in rest], np.bool_),
            n_blind=np.array([row["n_blind"] for row in rest], np.int64),
            detected_again=np.array([row["id"] for row in rows], np.int64)[again],
        )

    async def _load_detected_ids(self, stream: LockedStream, tolerance: timedelta) -> IntArray:
        """Return the sources that the last timestep of a stream detected, one more than once."""
        until = stream.looked_until
        if until is None:
            return np.empty(0, np.int64)
        known = self._detected_ids.of_stream(
            stream.id, server_pid=self._connection.get_server_pid()
        )
        times = {"from_time": until - tolerance, "to_time": until + tolerance}
        rows = await self._fetch("select_timestep_ids", stream_id=stream.id, **times)
        if [row["id"] for row in rows] == list(known.timestep_ids):
            return known.between(**times)
        # Apart from the statement above: this one is planned anew each time, for its partition.
        data = await self._fetchval("select_detected_ids", stream_id=stream.id, **times)
        return np.frombuffer(data or b"", ">i8").astype(np.int64)

    def note_detected_ids(
        self, stream_id: int, timestep_id: int, images: Sequence[DetectionRows]
    ) -> None:
        """Keep what a timestep has detected for the next one."""
        found = [
            (image.time_start, np.asarray(image.columns["source_id"], np.int64))
            for image in images
        ]
        self._detected_ids.learn(
            stream_id,
            KnownDetections((timestep_id,), found),
            server_pid=self._connection.get_server_pid(),
        )

    async def write_null_detections(self, stream_id: int, rows: NullDetectionRows) -> None:
        """Store for how long sources have had null detections, and delete those that ended."""
        if rows.source_id.size or rows.ended.size:
            await self._execute(
                "write_null_detections",
                stream_id=stream_id,
                source_id=rows.source_id,
                n_timesteps=rows.n_timesteps,
                zone=rows.zone,
                ra=rows.ra,
                dec=rows.dec,
                ended_source_id=rows.ended,
                dormant_source_id=rows.dormant,
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
            ra=[each.ra for each in sources],
            dec=[each.dec for each in sources],
        )

    async def load_measured_images(
        self,
        stream_id: int,
        stream: str,
        *,
        image_keys: Sequence[int] = (),
        image_ids: Sequence[str] = (),
    ) -> list[MeasuredImage]:
        """Return accepted images, by key or sha256, without their sources, by frequency."""
        rows = await self._fetch(
            "select_measured_images",
            stream_id=stream_id,
            image_key=list(image_keys),
            image_id=list(image_ids),
        )
        return [_to_measured_image(row, stream) for row in rows]

    async def insert_forced(self, stream_id: int, result: ForcedMeasurements) -> BoolArray:
        """Store the fluxes of a result; return which were not there before, and are now."""
        stored = await self.insert_all_forced(stream_id, [result])
        columns = result.measurements
        is_stored = [
            each in stored
            for each in zip(
                columns.position_id.tolist(), columns.is_look_back.tolist(), strict=True
            )
        ]
        return np.array(is_stored, np.bool_) & _is_measured(result)

    async def insert_all_forced(
        self, stream_id: int, results: Sequence[ForcedMeasurements]
    ) -> set[tuple[int, bool]]:
        """Store the fluxes of results; return the sources of new ones, and which look back."""
        done = np.concatenate([_is_measured(each) for each in results])
        rows = await self._fetch(
            "insert_forced",
            stream_id=stream_id,
            image_id=_image_ids(results, done),
            look_back_number=[
                number
                for each in results
                for number, reason in zip(
                    _to_numbers(each.measurements), each.measurements.reason, strict=True
                )
                if not reason
            ],
            source_id=_gather(results, "position_id")[done],
            extraction_type=[
                kind
                for each in results
                for kind, reason in zip(
                    each.measurements.extraction_type, each.measurements.reason, strict=True
                )
                if not reason
            ],
            **{name: _gather(results, name)[done] for name in _FLUX_COLUMNS},
            first_number=FIRST_FORCED_NUMBER,
            n_numbers=N_FORCED_NUMBERS,
        )
        return {(row["source_id"], row["is_look_back"]) for row in rows}

    async def insert_gaps(self, stream_id: int, results: Sequence[ForcedMeasurements]) -> None:
        """Store the reasons of results where they have no fluxes."""
        is_gap = ~np.concatenate([_is_measured(each) for each in results])
        await self._execute(
            "insert_gaps",
            stream_id=stream_id,
            image_id=_image_ids(results, is_gap),
            source_id=_gather(results, "position_id")[is_gap],
            reason=[reason for each in results for reason in each.measurements.reason if reason],
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
            source_id=source_ids,
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


def _to_measured_image(row: asyncpg.Record, stream: str) -> MeasuredImage:
    metadata = ImageMetadata(**{each.name: row[each.name] for each in fields(ImageMetadata)})
    times = ("time_sent", "time_appended", "time_extracted")
    record = ImageDetections(
        image_id=row["image_id"],
        stream=stream,
        source=_NO_OFFSET,
        verdict="accepted",
        metadata=metadata,
        margin_px=row["margin_px"],
        detection_threshold_sigma=row["detection_threshold_sigma"],
        times=StageTimes(**{name: row[name] for name in times}),
    )
    return MeasuredImage(row["image_key"], (row["band_id"], row["stokes"]), record)


def _to_numbers(columns: ForcedColumns) -> list[int | None]:
    """Return the numbers of looks back in their image, None for other measurements."""
    return [
        look_back_number(source_id) if is_earlier else None
        for source_id, is_earlier in zip(
            columns.position_id.tolist(), columns.is_look_back.tolist(), strict=True
        )
    ]


def _gather(results: Sequence[ForcedMeasurements], name: str) -> AnyArray:
    """Return a column of all results."""
    return np.concatenate([getattr(each.measurements, name) for each in results])


def _image_ids(results: Sequence[ForcedMeasurements], chosen: BoolArray) -> list[str]:
    """Return the image of each chosen measurement of all results."""
    sizes = [len(each.measurements.reason) for each in results]
    numbers = np.repeat(np.arange(len(results)), sizes)[chosen]
    return [results[number].image_id for number in numbers.tolist()]


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
