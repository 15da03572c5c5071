"""Forced measurements become points of light curves, and may contradict a new source."""

from collections.abc import Iterable
from datetime import UTC, datetime

import numpy as np

from runtime.errors import RejectedMessageError
from runtime.kafka import InMessage
from runtime.logging import get_logger
from runtime.settings import AssociateSettings
from schemas.codec import CodecError, decode_forced_measurements
from schemas.messages import BoolArray, ForcedMeasurements, IntArray
from schemas.topics import Topics
from services.associate.metrics import FORCED, SPECTRAL_CONFLICTS
from services.associate.models.contradictions import (
    RetractionCandidate,
    StreamBands,
)
from services.associate.models.decisions import ForcedOutcome, Retraction
from services.associate.steps.calibration import calibrate_forced
from services.associate.steps.contradiction import (
    Verdict,
    find_image_times,
    find_retractions,
    is_due,
    judge,
    to_waits,
)
from services.associate.steps.forced_points import (
    count_points,
    decide_forced,
    with_points,
)
from services.associate.steps.forced_results import (
    check_result,
    may_contradict,
)
from services.associate.storage import Catalogue, CatalogueStore

__all__ = ["ForcedMeasurementsHandler"]


class ForcedMeasurementsHandler:
    """Stores forced measurements; a repeated message changes nothing.

    Parameters
    ----------
    store : CatalogueStore
        Where the measurements go.
    settings : AssociateSettings
        Limits of the spectral test.
    topics : Topics
        Where retractions go.
    """

    def __init__(self, store: CatalogueStore, settings: AssociateSettings, topics: Topics) -> None:
        self._store = store
        self._settings = settings
        self._topics = topics

    async def on_message(self, message: InMessage) -> bool:
        """Store one result.

        Returns
        -------
        bool
            Whether it has left something in the outbox.

        Raises
        ------
        RejectedMessageError
            Codes ``bad_avro`` and ``bad_flux``, or what PostgreSQL refuses.
        TransientError
            If PostgreSQL is away.
        """
        try:
            result = decode_forced_measurements(message.value)
        except CodecError as error:
            raise RejectedMessageError("bad_avro", str(error)) from error
        check_result(result)
        async with self._store.transaction() as catalogue:
            retractions, n_events = await self._store_result(catalogue, result)
        _report(result, retractions)
        return bool(retractions or n_events)

    async def _store_result(
        self, catalogue: Catalogue, result: ForcedMeasurements
    ) -> tuple[list[Retraction], int]:
        """Store a result; return the transients that it retracts, and the number of events."""
        stream = await catalogue.lock_stream(result.stream)
        if stream is None:
            return [], 0  # the stream was deleted
        result = calibrate_forced(
            result, *await catalogue.load_solution(result.stream, result.image_id)
        )
        is_stored = await catalogue.insert_forced(result)
        await catalogue.insert_gaps(result)
        n_events = 0
        if np.any(is_stored):
            outcome = await _count_points(catalogue, stream.id, result, is_stored, self._settings)
            await catalogue.store_forced_outcome(outcome, self._topics)
            n_events = len(outcome.notifications)
        wanted = may_contradict(result, is_stored, self._settings)
        source_ids = np.unique(result.measurements.position_id[wanted])
        if not source_ids.size:
            return [], n_events
        verdicts = await self._find_verdicts(catalogue, result, source_ids)
        await catalogue.mark_judged(
            [
                candidate.last_event.transient_id
                for candidate, verdict in verdicts
                if verdict.is_final and verdict.conflict is None
            ]
        )
        retractions = find_retractions(verdicts, datetime.now(UTC))
        for retraction in retractions:
            await catalogue.retract_transient(retraction, self._topics)
        return retractions, n_events

    async def _find_verdicts(
        self, catalogue: Catalogue, result: ForcedMeasurements, source_ids: IntArray
    ) -> list[tuple[RetractionCandidate, Verdict]]:
        """Return the verdicts on the new sources that a result is about."""
        observed = await catalogue.load_stream_bands(result.stream)
        if observed is None:
            return []
        stream_id, bands = observed
        verdicts: list[tuple[RetractionCandidate, Verdict]] = []
        # A transaction that waited for a lock has read old rows: decide again under the lock.
        for _ in range(2):
            candidates = await catalogue.lock_retraction_candidates(
                stream_id, result.image_id, source_ids, waits=to_waits(bands, self._settings)
            )
            verdicts = await self._judge(catalogue, candidates, bands)
            if not any(verdict.conflict for _, verdict in verdicts):
                break
        return verdicts

    async def _judge(
        self, catalogue: Catalogue, candidates: Iterable[RetractionCandidate], bands: StreamBands
    ) -> list[tuple[RetractionCandidate, Verdict]]:
        """Return the verdicts on the candidates that every band has had the time to show."""
        found = []
        for candidate in candidates:
            if is_due(candidate, bands, self._settings.max_dm_pc_cm3):
                times = find_image_times(candidate, bands, self._settings)
                images = await catalogue.load_band_images(candidate, *times)
                found.append((candidate, judge(candidate, images, self._settings)))
        return found


async def _count_points(
    catalogue: Catalogue,
    stream_id: int,
    result: ForcedMeasurements,
    is_stored: BoolArray,
    settings: AssociateSettings,
) -> ForcedOutcome:
    """Add the stored points of a result to the light curves of their sources."""
    image = await catalogue.load_measured_image(stream_id, result.image_id)
    image = with_points(image, result)
    ids = np.unique(result.measurements.position_id[is_stored]).tolist()
    sources = await catalogue.load_sources_by_id(stream_id, ids)
    statistics = await catalogue.load_statistics(ids)
    counted = count_points(image, result, is_stored, sources, statistics, settings)
    changed = sources[[change.source for change in counted.changes]]
    return decide_forced(
        counted,
        image,
        stream_id=stream_id,
        image_ids=await catalogue.load_image_ids(changed["first_image_key"].tolist()),
        earlier_trig_ids=await catalogue.load_earlier_trig_ids(changed["id"].tolist()),
        settings=settings,
        now=datetime.now(UTC),
    )


def _report(result: ForcedMeasurements, retractions: list[Retraction]) -> None:
    for reason in result.measurements.reason:
        FORCED.labels(reason or "measured").inc()
    SPECTRAL_CONFLICTS.inc(len(retractions))
    if retractions:
        get_logger().info(
            "transients_retracted",
            stream=result.stream,
            image_id=result.image_id,
            trig_ids=[retraction.event.trig_id for retraction in retractions],
        )
