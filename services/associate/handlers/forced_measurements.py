"""Forced measurements become points of light curves, and may contradict a new source."""

from datetime import UTC, datetime

import numpy as np

from runtime.errors import RejectedMessageError
from runtime.kafka import InMessage
from runtime.logging import get_logger
from runtime.settings import AssociateSettings
from schemas.codec import CodecError, decode_forced_measurements
from schemas.messages import BoolArray, ForcedMeasurements
from schemas.topics import Topics
from services.associate.handlers.contradictions import Contradictions
from services.associate.handlers.look_backs import LookBackHandler
from services.associate.metrics import FORCED, SPECTRAL_CONFLICTS
from services.associate.models.decisions import ForcedOutcome, Retraction
from services.associate.steps.calibration import calibrate_forced
from services.associate.steps.forced_points import (
    count_points,
    decide_forced,
    with_points,
)
from services.associate.steps.forced_results import (
    check_result,
    may_contradict,
)
from services.associate.steps.look_back_points import count_earlier_points
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
        self._contradictions = Contradictions(settings, topics)
        self._look_backs = LookBackHandler(store, settings, topics)

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
        n_events = int(await self._count_look_backs(catalogue, stream.id, result, is_stored))
        is_later = is_stored & ~result.measurements.is_look_back
        if np.any(is_later):
            outcome = await _count_points(catalogue, stream.id, result, is_later, self._settings)
            await catalogue.store_forced_outcome(outcome, self._topics)
            n_events += len(outcome.notifications)
        wanted = may_contradict(result, is_stored, self._settings)
        source_ids = np.unique(result.measurements.position_id[wanted])
        retractions = await self._contradictions.retract(
            catalogue, result.stream, result.image_id, source_ids
        )
        return retractions, n_events

    async def _count_look_backs(
        self,
        catalogue: Catalogue,
        stream_id: int,
        result: ForcedMeasurements,
        is_stored: BoolArray,
    ) -> bool:
        """Count earlier fluxes of new sources, end their looks back; say whether one is told."""
        is_earlier = result.measurements.is_look_back
        ids = np.unique(result.measurements.position_id[is_earlier]).tolist()
        if not ids:
            return False
        counted = is_stored & is_earlier
        if np.any(counted):
            image = await catalogue.load_measured_image(stream_id, result.image_id)
            known = np.unique(result.measurements.position_id[counted]).tolist()
            outcome = count_earlier_points(
                image,
                result,
                counted,
                await catalogue.load_sources_by_id(stream_id, known),
                await catalogue.load_statistics(known),
                self._settings,
            )
            await catalogue.store_forced_outcome(outcome, self._topics)
        return await self._look_backs.settle(catalogue, stream_id, result.stream, ids)


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
