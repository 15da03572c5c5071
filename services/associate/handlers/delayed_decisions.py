"""Decisions that wait for answers: looks are judged when they have all, timestep by timestep."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from runtime.logging import get_logger
from runtime.settings import AssociateSettings
from schemas.topics import Topics
from services.associate.handlers.contradictions import Contradictions
from services.associate.handlers.look_back_verdicts import LookBackVerdicts
from services.associate.handlers.moving_objects import retract_members
from services.associate.metrics import GIVEN_UP
from services.associate.models.evidence import Evidence, Questions
from services.associate.models.waiting import ReadyLooks, WaitingTimestep
from services.associate.steps.decisions import to_archive_limits
from services.associate.steps.first_decisions import wait_timesteps
from services.associate.steps.judgement import (
    JudgedLooks,
    ask_of,
    find_contradictable,
    gather_looks,
    judge_looks,
    to_outcome,
)
from services.associate.steps.quiet_looks import QuietJudgement, group_by_timestep
from services.associate.storage import Catalogue

__all__ = ["DelayedDecisions", "load_event_evidence"]

# Fewer are judged one by one: what is loaded for all of them costs more.
_LEAST_TOGETHER = 3


async def load_event_evidence(
    catalogue: Catalogue, questions: Questions, evidence: Evidence
) -> Evidence:
    """Return evidence with what the events that follow from looks need."""
    return replace(
        evidence,
        last_notified=(
            await catalogue.load_last_notified(questions.notified) if questions.notified else ()
        ),
        image_ids=(
            await catalogue.load_image_ids(questions.first_image_keys)
            if questions.first_image_keys
            else {}
        ),
        earlier_trig_ids=(
            await catalogue.load_earlier_trig_ids(questions.active_again_ids)
            if questions.active_again_ids
            else {}
        ),
    )


class DelayedDecisions:
    """Judges the looks at sources that have all their answers.

    Parameters
    ----------
    settings : AssociateSettings
        Limits of the tests, and how long answers are waited for.
    topics : Topics
        Where the events go.
    """

    def __init__(self, settings: AssociateSettings, topics: Topics) -> None:
        self._settings = settings
        self._topics = topics
        self._contradictions = Contradictions(settings, topics)
        self._look_backs = LookBackVerdicts(settings, topics)

    async def judge(
        self,
        catalogue: Catalogue,
        stream_id: int,
        stream: str,
        source_ids: Sequence[int],
    ) -> int:
        """Judge what waits at some sources and has its answers; return the number of events.

        Parameters
        ----------
        catalogue : Catalogue
            An open transaction that has locked the stream.
        stream_id : int
            The stream.
        stream : str
            Its name.
        source_ids : sequence of int
            Sources for which something has come.
        """
        timesteps = await catalogue.load_waiting_timesteps(stream_id, source_ids)
        if not timesteps:
            return 0
        blocked = set(await catalogue.load_pending_look_backs(stream_id, source_ids))
        found = []
        for timestep in timesteps:
            blocked |= timestep.unanswered_ids
            if ready := sorted(timestep.source_ids - blocked):
                found.append(ReadyLooks(timestep, ready))
        return await self.judge_ready(catalogue, stream_id, stream, found)

    async def judge_ready(
        self, catalogue: Catalogue, stream_id: int, stream: str, ready: Sequence[ReadyLooks]
    ) -> int:
        """Judge looks that wait for nothing more, in this order; return the number of events."""
        if not ready:
            return 0
        n_events = 0
        for each in await self._judge_quiet(catalogue, stream_id, stream, ready):
            n_events += await self._judge_timestep(
                catalogue, stream_id, stream, each.timestep, each.source_ids
            )
        await catalogue.mark_looks_judged(stream_id, ready)
        await catalogue.delete_judged_timesteps(stream_id)
        return n_events

    async def _judge_quiet(
        self, catalogue: Catalogue, stream_id: int, stream: str, ready: Sequence[ReadyLooks]
    ) -> list[ReadyLooks]:
        """Judge many looks at sources of which no event follows; return the others."""
        if len(ready) < _LEAST_TOGETHER:
            return list(ready)
        grouped = group_by_timestep(ready)
        ids = np.unique(np.concatenate([each.source_ids for each in grouped])).astype(np.int64)
        images = await catalogue.load_measured_images(
            stream_id,
            stream,
            image_keys=[key for each in grouped for key in each.timestep.image_keys],
        )
        sources = await catalogue.load_sources_by_id(stream_id, ids.tolist())
        if not images or not sources.size:
            return list(ready)
        judgement = QuietJudgement(
            sources,
            await catalogue.load_statistics(sources["id"]),
            frozenset(await catalogue.load_unjudged(ids.tolist())),
            self._settings,
        )
        rows = await catalogue.load_looks(stream_id, images, sources["id"])
        before = await catalogue.load_states_before(
            stream_id, [(each.timestep.timestep_id, np.array(each.source_ids)) for each in grouped]
        )
        for each in grouped:
            timestep = each.timestep
            judgement.judge(
                timestep,
                each.source_ids,
                [image for image in images if image.image_key in timestep.image_keys],
                rows.of_images(timestep.image_keys),
                before[timestep.timestep_id],
            )
        await catalogue.store_quiet_judgement(
            judgement.to_statistics(), judgement.to_sources(), judgement.to_flags()
        )
        return [
            ReadyLooks(each.timestep, rest)
            for each in ready
            if (rest := [number for number in each.source_ids if number in judgement.eventful])
        ]

    async def give_up(self, catalogue: Catalogue, stream_id: int, stream: str) -> int:
        """Judge the oldest timesteps, and end their looks back, without the missing answers."""
        source_ids = await catalogue.give_up_requests(stream_id, wait_timesteps(self._settings))
        GIVEN_UP.inc(len(source_ids))
        get_logger().warning("forced_answers_given_up", stream=stream, n_sources=len(source_ids))
        pending = await catalogue.load_look_backs(stream_id, source_ids)
        has_events = await self._look_backs.end(catalogue, stream_id, pending)
        return has_events + await self.judge(catalogue, stream_id, stream, source_ids)

    async def _judge_timestep(
        self,
        catalogue: Catalogue,
        stream_id: int,
        stream: str,
        timestep: WaitingTimestep,
        ready: Sequence[int],
    ) -> int:
        """Judge the looks of one timestep at sources that wait for nothing more.

        What leaves the catalogue does so before: by what was known until the timestep.
        """
        await self._archive(catalogue, stream_id, timestep, ready)
        images = await catalogue.load_measured_images(
            stream_id, stream, image_keys=timestep.image_keys
        )
        sources = await catalogue.load_sources_by_id(stream_id, ready)
        reasons = {each: timestep.retracted[each] for each in ready if each in timestep.retracted}
        if not sources.size or not images:
            # archived meanwhile, or the images have expired
            return await retract_members(catalogue, reasons, self._topics)
        statistics = await catalogue.load_statistics(sources["id"])
        rows = await catalogue.load_looks(stream_id, images, sources["id"])
        before = await catalogue.load_states_before(
            stream_id, [(timestep.timestep_id, sources["id"])]
        )
        candidates, latest, parts = gather_looks(
            timestep,
            images,
            rows,
            sources=sources,
            statistics=statistics,
            before=before[timestep.timestep_id],
            settings=self._settings,
        )
        everything = np.ones(sources.size, np.bool_)
        looks = judge_looks(
            candidates,
            parts,
            everything,
            self._settings,
            n_channels=len(timestep.image_keys),
            latest=latest,
        )
        evidence = await load_event_evidence(
            catalogue, ask_of(looks, timestep.time_start, self._settings), Evidence((), ())
        )
        outcome = to_outcome(
            looks,
            timestep,
            images,
            evidence=evidence,
            settings=self._settings,
            stream_id=stream_id,
            now=datetime.now(UTC),
        )
        await catalogue.store_forced_outcome(outcome, self._topics)
        n_retracted = await self._contradict(catalogue, stream, timestep, looks)
        n_retracted += await retract_members(catalogue, reasons, self._topics)
        return len(outcome.notifications) + n_retracted

    async def _contradict(
        self, catalogue: Catalogue, stream: str, timestep: WaitingTimestep, looks: JudgedLooks
    ) -> int:
        """Retract new sources that forced fluxes contradict; return how many."""
        image_id, source_ids = find_contradictable(looks)
        if not source_ids.size:
            return 0
        retractions = await self._contradictions.retract(
            catalogue, stream, image_id, source_ids, looked_until=timestep.time_start
        )
        return len(retractions)

    async def _archive(
        self,
        catalogue: Catalogue,
        stream_id: int,
        timestep: WaitingTimestep,
        ready: Sequence[int],
    ) -> None:
        await catalogue.archive_sources(
            stream_id,
            timestep.doubtful.among(ready),
            to_archive_limits(self._settings),
            now=datetime.now(UTC),
            before=timestep.time_start,
        )
