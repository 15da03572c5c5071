"""Forced measurements become points of light curves; what waited for them is judged."""

from collections.abc import Sequence
from itertools import takewhile

import numpy as np

from runtime.errors import RejectedMessageError
from runtime.kafka import InMessage
from runtime.settings import AssociateSettings
from schemas.codec import CodecError, decode_forced_measurements
from schemas.messages import BoolArray, ForcedMeasurements
from schemas.topics import Topics
from services.associate.handlers.contradictions import Contradictions
from services.associate.handlers.delayed_decisions import DelayedDecisions
from services.associate.handlers.look_back_verdicts import LookBackVerdicts
from services.associate.metrics import FORCED
from services.associate.models.timesteps import LockedStream
from services.associate.models.waiting import ReadyLooks
from services.associate.steps.answers import (
    AnswerPlan,
    count_look_backs,
    group_by_last_answer,
    looks_back,
    may_be_together,
    plan_answers,
)
from services.associate.steps.calibration import calibrate_forced
from services.associate.steps.forced_results import check_result
from services.associate.steps.look_back_points import count_points
from services.associate.storage import Catalogue, CatalogueStore

__all__ = ["ForcedMeasurementsHandler", "read_result"]

# One alone is stored as any other result: it is not asked for what waits.
_LEAST_LOOK_BACKS = 2


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
        self._delayed = DelayedDecisions(settings, topics)
        self._contradictions = Contradictions(settings, topics)
        self._look_backs = LookBackVerdicts(settings, topics)

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
        result = read_result(message)
        try:
            check_result(result)
        except RejectedMessageError:
            await self._go_on_without(result)
            raise
        return await self.store([result])

    async def store(self, results: Sequence[ForcedMeasurements]) -> bool:
        """Store valid results of one stream in one transaction, as if they came one by one.

        Returns
        -------
        bool
            Whether they have left something in the outbox.

        Raises
        ------
        RejectedMessageError
            If PostgreSQL refuses one of them; none is stored then.
        TransientError
            If PostgreSQL is away.
        """
        n_events = 0
        async with self._store.transaction() as catalogue:
            stream = await catalogue.lock_stream(results[0].stream)
            if stream is None:
                return False  # the stream was deleted
            rest = list(results)
            while rest:
                n_stored, n_new = await self._store_next(catalogue, stream, rest)
                n_events += n_new
                rest = rest[n_stored:]
        for result in results:
            _report(result)
        return bool(n_events)

    async def _store_next(
        self, catalogue: Catalogue, stream: LockedStream, rest: Sequence[ForcedMeasurements]
    ) -> tuple[int, int]:
        """Store the next results; return how many these were, and the number of events."""
        if n_look_backs := await self._find_look_backs(catalogue, stream.id, rest):
            found = rest[:n_look_backs]
            return n_look_backs, await self._store_look_backs(catalogue, stream.id, found)
        plan = await self._plan(catalogue, stream.id, rest)
        n_events = 0
        if plan.n_together:
            n_events += await self._store_together(
                catalogue, stream.id, rest[: plan.n_together], plan.ready
            )
        n_stored = plan.n_together + plan.n_alone
        for result in rest[plan.n_together : n_stored]:
            n_events += await self._store_result(catalogue, stream, result)
        return n_stored, n_events

    async def _find_look_backs(
        self, catalogue: Catalogue, stream_id: int, rest: Sequence[ForcedMeasurements]
    ) -> int:
        """Return how many of the next results look back and may be stored together."""
        n_look_backs = len(list(takewhile(looks_back, rest)))
        if n_look_backs < _LEAST_LOOK_BACKS:
            return 0
        missing = await catalogue.load_missing_look_backs(stream_id, _ids_of(rest[:n_look_backs]))
        n_together = count_look_backs(rest, missing)
        return n_together if n_together >= _LEAST_LOOK_BACKS else 0

    async def _store_look_backs(
        self, catalogue: Catalogue, stream_id: int, results: Sequence[ForcedMeasurements]
    ) -> int:
        """Store results that looks back wait for, and end these, each with its last answer."""
        results = await self._calibrate(catalogue, stream_id, results)
        await catalogue.insert_all_forced(stream_id, results)
        await catalogue.insert_gaps(stream_id, results)
        pending = await catalogue.load_look_backs(stream_id, _ids_of(results))
        answered = {each.source_id: each for each in pending if not each.n_missing}
        n_events = 0
        for group in group_by_last_answer(results):
            ended = [answered[source_id] for source_id in group if source_id in answered]
            if not ended:
                continue
            n_events += int(await self._look_backs.end(catalogue, stream_id, ended))
            n_events += await self._delayed.judge(
                catalogue, stream_id, results[0].stream, [each.source_id for each in ended]
            )
        return n_events

    async def _plan(
        self, catalogue: Catalogue, stream_id: int, rest: Sequence[ForcedMeasurements]
    ) -> AnswerPlan:
        """Return how to store the next results; a single one needs no plan."""
        if len(rest) == 1 or not may_be_together(rest[0]):
            return AnswerPlan(0, (), 1)
        ids = _ids_of(rest)
        return plan_answers(
            rest,
            await catalogue.load_waiting_timesteps(stream_id, ids),
            await catalogue.load_unanswered(stream_id, ids),
            await catalogue.load_pending_look_backs(stream_id, ids),
        )

    async def _store_together(
        self,
        catalogue: Catalogue,
        stream_id: int,
        results: Sequence[ForcedMeasurements],
        ready: Sequence[ReadyLooks],
    ) -> int:
        """Store results that looks wait for, and judge these; return the number of events."""
        results = await self._calibrate(catalogue, stream_id, results)
        await catalogue.insert_all_forced(stream_id, results)
        await catalogue.insert_gaps(stream_id, results)
        await catalogue.answer_requests(
            stream_id, [(each.image_id, each.measurements.position_id) for each in results]
        )
        return await self._delayed.judge_ready(catalogue, stream_id, results[0].stream, ready)

    async def _calibrate(
        self, catalogue: Catalogue, stream_id: int, results: Sequence[ForcedMeasurements]
    ) -> list[ForcedMeasurements]:
        """Return results in the positions and fluxes of the catalogue."""
        solutions = await catalogue.load_solutions(stream_id, [each.image_id for each in results])
        return [calibrate_forced(each, *solutions[each.image_id]) for each in results]

    async def _go_on_without(self, result: ForcedMeasurements) -> None:
        """Judge what waited for a result that is refused: it is an answer, too."""
        async with self._store.transaction() as catalogue:
            stream = await catalogue.lock_stream(result.stream)
            if stream is not None:
                await self._answer(catalogue, stream.id, result)

    async def _answer(
        self, catalogue: Catalogue, stream_id: int, result: ForcedMeasurements
    ) -> int:
        """Note that a request has its answer, and judge what waited; return the events."""
        columns = result.measurements
        measured = np.unique(columns.position_id[~columns.is_look_back])
        if measured.size:
            await catalogue.answer_requests(stream_id, [(result.image_id, measured)])
        changed = np.unique(columns.position_id).tolist()
        return await self._delayed.judge(catalogue, stream_id, result.stream, changed)

    async def _store_result(
        self, catalogue: Catalogue, stream: LockedStream, result: ForcedMeasurements
    ) -> int:
        """Store a result, and judge what waited for it; return the number of events."""
        (result,) = await self._calibrate(catalogue, stream.id, [result])
        is_stored = await catalogue.insert_forced(stream.id, result)
        await catalogue.insert_gaps(stream.id, [result])
        n_events = int(await self._count_look_backs(catalogue, stream.id, result, is_stored))
        is_later = ~result.measurements.is_look_back
        if np.any(is_later & is_stored):
            n_events += await self._count_unasked(catalogue, stream, result, is_later & is_stored)
        return n_events + await self._answer(catalogue, stream.id, result)

    async def _count_unasked(
        self,
        catalogue: Catalogue,
        stream: LockedStream,
        result: ForcedMeasurements,
        is_stored: BoolArray,
    ) -> int:
        """Count fluxes that no look waits for in eta and V: nobody asked, or it was given up.

        They pass no test for changes, and may contradict a new source; return how many.
        """
        columns = result.measurements
        ids = await catalogue.load_unasked(
            stream.id, result.image_id, np.unique(columns.position_id[is_stored])
        )
        unasked = is_stored & np.isin(columns.position_id, ids)
        if not np.any(unasked) or stream.looked_until is None:
            return 0
        await self._count(catalogue, stream.id, result, unasked)
        is_forced = np.array([each == "forced" for each in columns.extraction_type], np.bool_)
        sources = await catalogue.load_sources_by_id(
            stream.id, np.unique(columns.position_id[unasked & is_forced]).tolist()
        )
        retractions = await self._contradictions.retract(
            catalogue,
            result.stream,
            result.image_id,
            sources["id"][sources["n_datapoints"] - sources["n_forced"] == 1],
            looked_until=stream.looked_until,
        )
        return len(retractions)

    async def _count_look_backs(
        self,
        catalogue: Catalogue,
        stream_id: int,
        result: ForcedMeasurements,
        is_stored: BoolArray,
    ) -> bool:
        """End the looks back at new sources that have all their answers; say if one is announced.

        Their fluxes count with the verdict; those that no look back waits for count now.
        """
        position_ids, is_earlier = (
            result.measurements.position_id, result.measurements.is_look_back,
        )  # fmt: skip
        ids = np.unique(position_ids[is_earlier]).tolist()
        if not ids:
            return False
        pending = await catalogue.load_look_backs(stream_id, ids)
        waits = np.isin(position_ids, [each.source_id for each in pending])
        await self._count(catalogue, stream_id, result, is_stored & is_earlier & ~waits)
        return await self._look_backs.settle(catalogue, stream_id, pending)

    async def _count(
        self,
        catalogue: Catalogue,
        stream_id: int,
        result: ForcedMeasurements,
        counted: BoolArray,
    ) -> None:
        """Count fluxes in eta and V; they pass no test."""
        if not np.any(counted):
            return
        ids = result.measurements.position_id
        sources = await catalogue.load_sources_by_id(stream_id, np.unique(ids[counted]).tolist())
        if not sources.size:
            return  # they have left the catalogue
        [image] = await catalogue.load_measured_images(
            stream_id, result.stream, image_ids=[result.image_id]
        )
        outcome = count_points(
            image,
            result,
            counted & np.isin(ids, sources["id"]),
            sources,
            await catalogue.load_statistics(sources["id"]),
            self._settings,
        )
        await catalogue.store_forced_outcome(outcome, self._topics)


def read_result(message: InMessage) -> ForcedMeasurements:
    """Return the result in a message.

    Raises
    ------
    RejectedMessageError
        Code ``bad_avro``.
    """
    try:
        return decode_forced_measurements(message.value)
    except CodecError as error:
        raise RejectedMessageError("bad_avro", str(error)) from error


def _ids_of(results: Sequence[ForcedMeasurements]) -> list[int]:
    """Return the sources that results are about, in ascending order."""
    ids: list[int] = np.unique(
        np.concatenate([each.measurements.position_id for each in results])
    ).tolist()
    return ids


def _report(result: ForcedMeasurements) -> None:
    for reason in result.measurements.reason:
        FORCED.labels(reason or "measured").inc()
