"""Answers stored together let the same be judged, in the same order, as one by one."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from schemas.messages import ForcedColumns, ForcedMeasurements, SourceOffset
from services.associate.models.waiting import UnansweredRequest, WaitingTimestep
from services.associate.steps.answers import (
    count_look_backs,
    group_by_last_answer,
    plan_answers,
)

_N_TIMESTEPS, _N_IMAGES = 4, 2
_IDS = st.frozensets(st.integers(1, 5), max_size=5)
_TIME = datetime(2026, 1, 1, tzinfo=UTC)


def result_of(image_id: str, ids: frozenset[int], kind: str = "forced") -> ForcedMeasurements:
    n = len(ids)
    return ForcedMeasurements(
        image_id=image_id,
        stream="test",
        source=SourceOffset("test", "images-v1", 0, 0),
        measurements=ForcedColumns(
            position_id=np.array(sorted(ids), np.int64),
            extraction_type=(kind,) * n,
            ra=np.zeros(n),
            dec=np.zeros(n),
            flux_peak_jy_beam=np.ones(n),
            flux_peak_err_jy_beam=np.ones(n),
            rms_local_jy_beam=np.ones(n),
            reason=("",) * n,
        ),
    )


@dataclass
class Waits:
    """What the tables have: looks that wait, and requests without an answer."""

    waiting: dict[int, set[int]]
    missing: dict[str, set[int]]
    doubtful: dict[int, frozenset[int]]
    judged: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)

    def timesteps(self, ids: frozenset[int]) -> list[WaitingTimestep]:
        return [
            WaitingTimestep(
                number, _TIME, (), frozenset(waits & ids), self.doubtful[number], frozenset()
            )
            for number, waits in sorted(self.waiting.items())
            if waits & ids
        ]

    def unanswered(self, ids: frozenset[int]) -> list[UnansweredRequest]:
        return [
            UnansweredRequest(int(name[0]), name, frozenset(missing & ids))
            for name, missing in self.missing.items()
            if missing & ids
        ]

    def answer(self, result: ForcedMeasurements, look_backs: frozenset[int]) -> None:
        """Do what one transaction for one result does."""
        ids = frozenset(result.measurements.position_id.tolist())
        if result.image_id in self.missing:
            self.missing[result.image_id] -= ids
        blocked = set(look_backs)
        for timestep in self.timesteps(ids):
            number = timestep.timestep_id
            for name, missing in self.missing.items():
                blocked |= missing & ids if int(name[0]) == number else set()
            if ready := timestep.source_ids - blocked:
                self.waiting[number] -= ready
                self.judged.append((number, tuple(sorted(ready))))


@st.composite
def _waits(draw: st.DrawFn) -> Waits:
    """Return tables in which every source with a request also waits."""
    names = [f"{step}{band}" for step in range(_N_TIMESTEPS) for band in range(_N_IMAGES)]
    missing = {name: set(draw(_IDS)) for name in names}
    waiting = {
        step: set(draw(_IDS)).union(
            *(ids for name, ids in missing.items() if int(name[0]) == step)
        )
        for step in range(_N_TIMESTEPS)
    }
    return Waits(waiting, missing, {step: draw(_IDS) for step in range(_N_TIMESTEPS)})


@given(
    _waits(),
    st.lists(st.tuples(st.integers(0, _N_TIMESTEPS - 1), st.integers(0, 1), _IDS), min_size=1),
    _IDS,
)
def test_the_same_is_judged_in_the_same_order(
    waits: Waits, answers: list[tuple[int, int, frozenset[int]]], look_backs: frozenset[int]
) -> None:
    # Answers to what was asked, whole or in parts, repeated, and to what nobody asked.
    results = [result_of(f"{step}{band}", ids) for step, band, ids in answers]
    every = frozenset().union(*(ids for _, _, ids in answers))
    plan = plan_answers(results, waits.timesteps(every), waits.unanswered(every), look_backs)
    assert 1 <= plan.n_together + plan.n_alone <= len(results)
    archived: set[int] = set()
    for result in results[: plan.n_together]:
        assert not archived.intersection(result.measurements.position_id.tolist())
        before = len(waits.judged)
        waits.answer(result, look_backs)
        for number, ids in waits.judged[before:]:
            archived |= waits.doubtful[number].intersection(ids)
    found = [(each.timestep.timestep_id, tuple(each.source_ids)) for each in plan.ready]
    assert found == waits.judged


def test_what_is_waited_for_is_stored_together() -> None:
    waits = Waits({0: {1, 2}}, {"00": {1, 2}, "01": {2}}, {0: frozenset()})
    results = [result_of("00", frozenset({1, 2})), result_of("01", frozenset({2}))]
    every = frozenset({1, 2})
    plan = plan_answers(results, waits.timesteps(every), waits.unanswered(every), ())
    assert (plan.n_together, plan.n_alone) == (2, 0)
    assert [tuple(each.source_ids) for each in plan.ready] == [(1,), (2,)]


def test_a_look_back_and_a_flux_that_nobody_asked_for_are_alone() -> None:
    waits = Waits({0: {1}}, {"00": {1}}, {0: frozenset()})
    results = [
        result_of("00", frozenset({1}), kind="lookback"),
        result_of("01", frozenset({3})),
        result_of("00", frozenset({1})),
    ]
    every = frozenset({1, 3})
    plan = plan_answers(results, waits.timesteps(every), waits.unanswered(every), ())
    assert (plan.n_together, plan.ready, plan.n_alone) == (0, [], 2)


def test_nothing_is_stored_with_what_archives_its_source() -> None:
    waits = Waits({0: {1}, 1: {1}}, {"00": {1}, "10": {1}}, {0: frozenset({1}), 1: frozenset()})
    results = [result_of("00", frozenset({1})), result_of("10", frozenset({1}))]
    every = frozenset({1})
    plan = plan_answers(results, waits.timesteps(every), waits.unanswered(every), ())
    assert (plan.n_together, plan.n_alone) == (1, 0)


_IMAGES = st.sampled_from(["a", "b", "c"])
_KINDS = st.sampled_from(["lookback"] * 9 + ["forced"])


@given(
    missing=st.dictionaries(st.integers(1, 5), st.sets(_IMAGES, min_size=1)),
    answers=st.lists(st.tuples(_IMAGES, _IDS, _KINDS), max_size=12),
)
def test_looks_back_end_in_the_same_order(
    missing: dict[int, set[str]], answers: list[tuple[str, frozenset[int], str]]
) -> None:
    results = [result_of(*each) for each in answers]
    n_together = count_look_backs(results, missing)
    waits = {source_id: set(images) for source_id, images in missing.items()}
    ended = []
    for image_id, ids, _ in answers[:n_together]:
        for source_id in ids:
            waits[source_id].remove(image_id)  # each position is one that is waited for
        ended.append([source_id for source_id in sorted(ids) if not waits[source_id]])
    groups = group_by_last_answer(results[:n_together])
    assert [[each for each in group if not waits[each]] for group in groups] == ended
    for image_id, ids, kind in answers[n_together : n_together + 1]:
        is_waited_for = ids and all(image_id in waits.get(each, ()) for each in ids)
        assert kind != "lookback" or not is_waited_for
