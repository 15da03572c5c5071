"""Detections become tracks: movers of any rate are linked, unrelated detections are not."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.associate.models.catalogue import NO_TRACKS, TRACK_DTYPE, RowArray
from services.associate.steps.tracks import TrackLimits, find_tracks, predict
from sky.geometry import to_unit_vectors
from tests.support.movers import Mover, scatter

ERR_DEG = 10 / 3600
FIELD_DEG = 10.0
LIMITS = TrackLimits(min_points=3, chance=1e-4, n_looks=8, field_deg2=FIELD_DEG**2)
N_LOOKS = 10


def point(source_id: int, look: int, time_s: float, position: tuple[float, float]) -> RowArray:
    row = np.zeros(1, TRACK_DTYPE)
    values = source_id, 0, look, time_s, position[0], position[1], ERR_DEG
    for name, value in zip(TRACK_DTYPE.names or (), values, strict=True):
        row[name] = value
    return row


def run(
    movers: list[Mover],
    *,
    cadence_s: float,
    n_false: int = 0,
    missing: frozenset[tuple[int, int]] = frozenset(),
    n_looks: int = N_LOOKS,
    seed: int = 0,
) -> list[tuple[int, list[int]]]:
    """Return the looks in which tracks were found, and whose detections they have.

    Detections of the k-th mover are numbered 100 k, 100 k + 1, ...; false ones are negative.
    """
    rng = np.random.default_rng(seed)
    loose, found = NO_TRACKS, []
    linked: set[int] = set()
    for look in range(1, n_looks + 1):
        new = [
            point(
                100 * k + look, look, look * cadence_s,
                scatter(rng, each.at(look * cadence_s), ERR_DEG / 1.4),
            )
            for k, each in enumerate(movers, 1)
            if (k, look) not in missing and k not in linked
        ]  # fmt: skip
        new += [
            point(-1000 * look - k, look, look * cadence_s,
                  (180 + rng.uniform(-5, 5), rng.uniform(-5, 5)))
            for k in range(n_false)
        ]  # fmt: skip
        loose = np.concatenate([loose[loose["look"] > look - 8], *new])
        tracks = find_tracks(loose, loose["look"] == look, replace(LIMITS, n_looks=min(look, 8)))
        for track in tracks:
            ids = loose["source_id"][track].tolist()
            found.append((look, ids))
            linked |= {number // 100 for number in ids if number > 0}
        used = np.concatenate([np.empty(0, np.int64), *tracks])
        loose = np.delete(loose, used)
    return found


positions = st.tuples(
    st.floats(0, 360, exclude_max=True), st.sampled_from([-90.0, -89.9, -30.0, 0.0, 52.0, 89.95])
)
steps_deg = st.floats(0.1, 1.0)
directions = st.floats(0, 360)


@given(positions, steps_deg, directions, st.sampled_from([1.0, 8.0]), st.integers(0, 2**16))
@settings(max_examples=30, deadline=None)
def test_a_lone_mover_is_linked_in_its_third_detection_anywhere_on_the_sky(
    start: tuple[float, float], step_deg: float, direction: float, cadence_s: float, seed: int
):
    mover = Mover(*start, 3600 * step_deg / cadence_s, direction)
    found = run([mover], cadence_s=cadence_s, n_looks=3, seed=seed)
    assert found == [(3, [101, 102, 103])]


@given(steps_deg, directions, st.integers(2, 6), st.integers(0, 2**16))
@settings(max_examples=20, deadline=None)
def test_a_mover_that_is_missed_twice_in_a_row_is_linked(
    step_deg: float, direction: float, first_missed: int, seed: int
):
    missing = frozenset({(1, first_missed), (1, first_missed + 1)})
    mover = Mover(180.0, 0.0, 3600 * step_deg, direction)
    ((look, ids),) = run([mover], cadence_s=1.0, missing=missing, n_looks=7, seed=seed)
    assert look <= 6
    assert all(number // 100 == 1 for number in ids)


@given(st.lists(st.tuples(steps_deg, directions), min_size=2, max_size=4), st.integers(0, 2**16))
@settings(max_examples=20, deadline=None)
def test_several_movers_are_told_apart(motions: list[tuple[float, float]], seed: int):
    movers = [
        Mover(178.0 + 1.3 * k, -2.0 + 1.1 * k, 3600 * step_deg, direction)
        for k, (step_deg, direction) in enumerate(motions)
    ]
    found = run(movers, cadence_s=1.0, n_looks=7, seed=seed)
    linked = {number // 100 for _, ids in found for number in ids}
    assert linked == set(range(1, len(movers) + 1))
    assert len(found) == len(movers)
    assert all(len({number // 100 for number in ids}) == 1 for _, ids in found)


@pytest.mark.parametrize("seed", range(4))
def test_a_mover_among_false_peaks_is_linked_and_nothing_else(seed: int):
    found = run([Mover(178.0, 0.0, 300.0, 70.0)], cadence_s=8.0, n_false=20, seed=seed)
    of_mover = [ids for _, ids in found if any(number > 0 for number in ids)]
    assert len(of_mover) == 1
    assert sum(number > 0 for number in of_mover[0]) >= len(of_mover[0]) - 1


def test_unrelated_peaks_make_no_track():
    assert run([], cadence_s=8.0, n_false=20, n_looks=20, seed=7) == []


def test_a_place_that_flickers_does_not_move():
    still = Mover(10.0, 20.0, 0.0, 0.0)
    assert run([still], cadence_s=8.0, seed=1) == []


@given(positions, st.floats(60, 3000), directions, st.floats(-100, 100))
@settings(max_examples=50, deadline=None)
def test_a_motion_is_predicted_along_its_great_circle(
    start: tuple[float, float], rate: float, direction: float, time_s: float
):
    mover = Mover(*start, rate, direction)
    first, last = (point(1, 1, time, mover.at(time)) for time in (0.0, 10.0))
    vectors, err_deg, angle_deg = predict(first, last, np.array([time_s]))
    ra, dec = mover.at(time_s)
    there = to_unit_vectors(np.array([ra]), np.array([dec])).T
    assert np.degrees(np.linalg.norm(vectors - there)) < 1e-6
    assert angle_deg[0] == pytest.approx(rate * 10 / 3600, rel=1e-6)
    assert err_deg[0] >= ERR_DEG / 2
