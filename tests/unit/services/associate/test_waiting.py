"""Sources that wait for an answer, and what they were before later timesteps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.associate.models.catalogue import (
    SOURCE_DTYPE,
    STATISTICS_DTYPE,
    ChannelKey,
    NullDetections,
)
from services.associate.models.evidence import WaitingSources
from services.associate.models.waiting import (
    EarlierStates,
    decode_states,
    encode_states,
    merge_states,
)
from tests.support.records import image
from tests.support.timesteps import decide_timestep, known_source, state_of, timestep_of

HERE, THERE = (123.0, 10.0), (123.5, 10.2)
LOW_HZ, HIGH_HZ = 140e6, 160e6

_CHANNELS: tuple[ChannelKey, ...] = ((1, "I"), (2, "I"), (2, "V"))


def _state(ids: set[int], mark: float) -> EarlierStates:
    """Return sources with a mark in a column of each table; not every one in every channel."""
    sources = np.zeros(len(ids), SOURCE_DTYPE)
    sources["id"], sources["ra"] = sorted(ids), mark
    statistics = {}
    for number, key in enumerate(_CHANNELS):
        chosen = [each for each in sorted(ids) if (each + number) % 3]
        rows = np.zeros(len(chosen), STATISTICS_DTYPE)
        rows["source_id"], rows["flux_peak_mean_jy_beam"] = chosen, mark
        rows["change_state"] = np.frombuffer(bytes(range(112)), "V112")[0]
        statistics[key] = rows
    return EarlierStates(sources, statistics)


_IDS = st.sets(st.integers(1, 20))


@given(_IDS)
def test_states_come_back_as_they_were(ids: set[int]) -> None:
    state = _state(ids, 7.5)
    found = decode_states(*encode_states(state))
    assert found.sources.tobytes() == state.sources.tobytes()
    for key, rows in state.statistics.items():
        assert found.statistics.get(key, rows[:0]).tobytes() == rows.tobytes()


@given(st.lists(_IDS, max_size=4), _IDS)
def test_the_first_state_of_each_wanted_source_is_taken(
    changed: list[set[int]], wanted: set[int]
) -> None:
    states = [_state(ids, float(number)) for number, ids in enumerate(changed)]
    merged = merge_states(states, np.array(sorted(wanted), np.int64))
    first = {
        each: next(number for number, ids in enumerate(changed) if each in ids)
        for each in sorted(wanted & set().union(*changed))
    }
    assert dict(zip(merged.sources["id"], merged.sources["ra"], strict=True)) == first
    for rows in merged.statistics.values():
        marks = zip(rows["source_id"], rows["flux_peak_mean_jy_beam"], strict=True)
        assert all(first[number] == mark for number, mark in marks)


@pytest.mark.parametrize(("is_late", "waiting_ids"), [(False, [1]), (True, [])])
def test_a_source_that_waits_is_kept_as_it_was(waiting_ids: list[int], *, is_late: bool) -> None:
    timestep = timestep_of(image(1, [(HERE[0], HERE[1] + 10 / 3600)]), is_late=is_late)
    state = state_of(timestep, known_source(1, *HERE))
    _, decisions = decide_timestep(timestep, state, waiting=WaitingSources(1, np.array([1])))
    assert decisions.sources.updated["dec"][0] > HERE[1]
    waiting = decisions.waiting
    assert waiting is not None
    assert waiting.source_ids.tolist() == waiting_ids
    assert waiting.before.sources["dec"].tolist() == [HERE[1]]


def test_a_source_that_no_image_looks_at_does_not_wait_for_more():
    timestep = timestep_of(image(1, [HERE]))
    away = NullDetections(
        id=np.array([2]),
        ra=np.array([300.0]),
        dec=np.array([10.0]),
        n_timesteps=np.array([1]),
        is_stored=np.ones(1, np.bool_),
        is_pending=np.zeros(1, np.bool_),
        is_active=np.ones(1, np.bool_),
        n_blind=np.ones(1, np.int64),
        detected_again=np.empty(0, np.int64),
    )
    _, decisions = decide_timestep(
        timestep,
        state_of(timestep, known_source(1, *HERE)),
        null_detections=away,
        waiting=WaitingSources(1, np.array([2])),
    )
    assert decisions.waiting is None


@pytest.mark.parametrize(
    ("wait_timesteps", "missed_ids", "waiting_ids"), [(0, [2], []), (1000, [], [1, 2])]
)
def test_null_detections_are_counted_measured_and_expire(
    wait_timesteps: int, missed_ids: list[int], waiting_ids: list[int]
) -> None:
    timestep = timestep_of(image(1, [HERE], freq_eff_hz=LOW_HZ), image(1, freq_eff_hz=HIGH_HZ))
    missing = NullDetections(
        id=np.array([2, 3, 4, 5]),
        ra=np.array([THERE[0], 123.2, 300.0, 301.0]),
        dec=np.array([THERE[1], 10.1, 10.0, 10.0]),
        n_timesteps=np.array([0, 5, 0, 5]),
        is_stored=np.array([False, True, False, True]),
        is_pending=np.zeros(4, np.bool_),
        is_active=np.array([True, False, True, False]),
        n_blind=np.ones(4, np.int64),
        detected_again=np.array([1]),
    )
    questions, decisions = decide_timestep(
        timestep,
        state_of(timestep, known_source(1, *HERE)),
        settings={"expiration_timesteps": 5, "forced_wait_timesteps": wait_timesteps},
        null_detections=missing,
    )
    assert questions.detected_ids.tolist() == [1]
    forced = decisions.forced
    # Sources 4 and 5 lie outside the field: they wait for a look, the first of them from now on.
    assert forced.null_detections.source_id.tolist() == [2, 4]
    assert forced.null_detections.n_timesteps.tolist() == [1, 0]
    assert forced.null_detections.ended.tolist() == [1, 3]
    # Source 2 was active, and the images have looked; they have not looked at source 4.
    # The look is judged with what is measured there, or at once if nothing is waited for.
    waiting = [] if decisions.waiting is None else decisions.waiting.source_ids.tolist()
    assert (decisions.episodes.missed_ids, waiting) == (missed_ids, waiting_ids)
    # Source 1 is detected in the lower band.
    assert [
        (each.freq_eff_hz, each.request.positions.position_id.tolist()) for each in forced.requests
    ] == [(LOW_HZ, [2]), (HIGH_HZ, [2, 1])]


def test_a_source_that_no_image_looks_at_expires_with_the_next_look():
    missing = NullDetections(
        id=np.array([2, 3]),
        ra=np.array([123.2, 300.0]),
        dec=np.array([10.1, 10.0]),
        n_timesteps=np.array([7, 7]),
        is_stored=np.ones(2, np.bool_),
        is_pending=np.zeros(2, np.bool_),
        is_active=np.zeros(2, np.bool_),
        n_blind=np.ones(2, np.int64),
        detected_again=np.empty(0, np.int64),
    )
    timestep = timestep_of(image(1, [HERE]))
    _, decisions = decide_timestep(
        timestep,
        state_of(timestep, known_source(1, *HERE)),
        settings={"expiration_timesteps": 5},
        null_detections=missing,
    )
    rows = decisions.forced.null_detections
    assert rows.dormant.tolist() == [2]
    assert rows.doubtful.all_ids().tolist() == [2]
    assert rows.source_id.size == 0
