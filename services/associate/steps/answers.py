"""Which answers may be stored together, and what each of them lets be judged."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from schemas.messages import ForcedMeasurements
from services.associate.models.waiting import ReadyLooks, UnansweredRequest, WaitingTimestep

__all__ = [
    "AnswerPlan",
    "count_look_backs",
    "group_by_last_answer",
    "looks_back",
    "may_be_together",
    "plan_answers",
]


@dataclass(frozen=True, slots=True)
class AnswerPlan:
    """How results are stored, in their order.

    Parameters
    ----------
    n_together : int
        So many results are stored first, by one statement for each kind of row.
    ready : sequence of ReadyLooks
        What they let be judged, in the order in which it would be if they came one by one.
    n_alone : int
        So many of those that follow are stored one by one.
    """

    n_together: int
    ready: Sequence[ReadyLooks]
    n_alone: int


@dataclass(slots=True)
class _Waits:
    """What waits at some sources while their answers come, one after another."""

    timesteps: Sequence[WaitingTimestep]
    waiting: dict[int, set[int]]
    missing: dict[str, set[int]]
    images: dict[int, list[str]]
    look_backs: frozenset[int]
    timestep_of: dict[str, int]
    # Sources that may have left the catalogue.
    doubtful: set[int] = field(default_factory=set)

    def expects(self, result: ForcedMeasurements, ids: set[int]) -> bool:
        """Return whether everything that a result says was asked for, and is waited for."""
        timestep_id = self.timestep_of.get(result.image_id)
        if not may_be_together(result) or timestep_id is None:
            return False
        waits = self.missing[result.image_id] & self.waiting.get(timestep_id, set())
        return ids <= waits

    def answer(self, result: ForcedMeasurements, ids: set[int]) -> list[ReadyLooks]:
        """Take an answer; return what waits for nothing more."""
        self.missing[result.image_id] -= ids
        blocked = ids & self.look_backs
        found = []
        for timestep in self.timesteps:
            waits = self.waiting[timestep.timestep_id] & ids
            if not waits:
                continue
            for image_id in self.images.get(timestep.timestep_id, ()):
                blocked |= self.missing[image_id] & ids
            ready = waits - blocked
            if ready:
                self.waiting[timestep.timestep_id] -= ready
                self.doubtful |= ready & timestep.doubtful_ids
                found.append(ReadyLooks(timestep, sorted(ready)))
        return found


def may_be_together(result: ForcedMeasurements) -> bool:
    """Return whether a result may be stored with others: it is no look back."""
    return bool(result.measurements.position_id.size) and not any(
        result.measurements.is_look_back.tolist()
    )


def looks_back(result: ForcedMeasurements) -> bool:
    """Return whether a result has nothing but looks back."""
    columns = result.measurements
    return bool(columns.position_id.size) and all(columns.is_look_back.tolist())


def count_look_backs(
    results: Sequence[ForcedMeasurements], missing: Mapping[int, Iterable[str]]
) -> int:
    """Return how many results, from the first on, say only what looks back wait for.

    A look back ends with its last answer, and nothing is judged before that: the rows of all of
    them may be stored at once. What nothing waits for counts in the statistics when it comes.

    Parameters
    ----------
    results : sequence of ForcedMeasurements
        Of one stream, in their order.
    missing : mapping
        The images in which each source is still to be measured.
    """
    waits = {source_id: set(images) for source_id, images in missing.items()}
    for number, result in enumerate(results):
        if not looks_back(result):
            return number
        for source_id in result.measurements.position_id.tolist():
            if result.image_id not in waits.get(source_id, ()):
                return number
            waits[source_id].remove(result.image_id)
    return len(results)


def group_by_last_answer(results: Sequence[ForcedMeasurements]) -> list[list[int]]:
    """Return the sources of each result that no later one is about, in ascending order."""
    later: set[int] = set()
    groups = []
    for result in reversed(results):
        ids = set(result.measurements.position_id.tolist())
        groups.append(sorted(ids - later))
        later |= ids
    return groups[::-1]


def plan_answers(
    results: Sequence[ForcedMeasurements],
    timesteps: Sequence[WaitingTimestep],
    unanswered: Iterable[UnansweredRequest],
    look_backs: Iterable[int],
) -> AnswerPlan:
    """Return how to store results so that the same follows as from one by one.

    Only the judgement of its looks reads the rows of a result that is waited for: they may be
    stored before those of earlier results are judged. Another result changes statistics when it
    comes; and what is judged may archive a source, whose later fluxes are not stored.

    Parameters
    ----------
    results : sequence of ForcedMeasurements
        Of one stream, in their order.
    timesteps : sequence of WaitingTimestep
        Those in which looks at sources of the results wait, in their order.
    unanswered : iterable of UnansweredRequest
        The requests that these sources have no answer to.
    look_backs : iterable of int
        Those of the sources that wait for what earlier images show.
    """
    waits = _to_waits(timesteps, unanswered, look_backs)
    ready: list[ReadyLooks] = []
    for number, result in enumerate(results):
        ids = set(result.measurements.position_id.tolist())
        if ids & waits.doubtful:
            return AnswerPlan(number, ready, 0)
        if not waits.expects(result, ids):
            return AnswerPlan(number, ready, _count_unexpected(waits, results[number:]))
        ready += waits.answer(result, ids)
    return AnswerPlan(len(results), ready, 0)


def _count_unexpected(waits: _Waits, results: Sequence[ForcedMeasurements]) -> int:
    """Return how many results follow each other that nothing waits for."""
    for number, result in enumerate(results):
        if waits.expects(result, set(result.measurements.position_id.tolist())):
            return number
    return len(results)


def _to_waits(
    timesteps: Sequence[WaitingTimestep],
    unanswered: Iterable[UnansweredRequest],
    look_backs: Iterable[int],
) -> _Waits:
    missing: dict[str, set[int]] = {}
    images: dict[int, list[str]] = {}
    timestep_of: dict[str, int] = {}
    for request in unanswered:
        missing[request.image_id] = set(request.source_ids)
        images.setdefault(request.timestep_id, []).append(request.image_id)
        timestep_of[request.image_id] = request.timestep_id
    waiting = {each.timestep_id: set(each.source_ids) for each in timesteps}
    return _Waits(timesteps, waiting, missing, images, frozenset(look_backs), timestep_of)
