"""Families of side lobes: offsets that repeat around bright sources."""

from dataclasses import replace

import numpy as np
import pytest

from services.associate.steps.side_lobes import find_side_lobes
from tests.support.records import BEAM_MAJOR_DEG, sources

HOST = (123.0, 10.0)
SECOND = (124.5, 10.8)
LOBES_BEAMS = [(5.0, 1.0), (2.0, -7.0), (9.0, 4.0)]


def at(host: tuple[float, float], offset_beams: tuple[float, float]) -> tuple[float, float]:
    east, north = offset_beams
    dec = host[1] + north * BEAM_MAJOR_DEG
    return host[0] + east * BEAM_MAJOR_DEG / np.cos(np.radians(dec)), dec


def find(
    bright: list[tuple[float, float]], faint: list[tuple[float, float]], **changes: float
) -> list[bool]:
    """Return which faint detections, all at places without a source, are side lobes."""
    flux_jy = [changes.pop("flux_jy", 5.0)] * len(bright) + [0.015] * len(faint)
    measured = sources([*bright, *faint], flux_jy=flux_jy)
    first = np.arange(len(bright), len(measured))
    wanted = {"beam_deg": BEAM_MAJOR_DEG, "radius_beams": 30.0} | changes
    return find_side_lobes(measured, first, **wanted).tolist()


def both_sides(host: tuple[float, float]) -> list[tuple[float, float]]:
    return [at(host, (sign * e, sign * n)) for e, n in LOBES_BEAMS for sign in (1, -1)]


def test_detections_opposite_each_other_around_a_bright_source_are_side_lobes() -> None:
    elsewhere = at(HOST, (-3.0, 12.0))
    assert find([HOST], [*both_sides(HOST), elsewhere]) == [True] * 6 + [False]


def test_the_same_offsets_around_two_bright_sources_are_side_lobes() -> None:
    lobes = [at(host, each) for host in (HOST, SECOND) for each in LOBES_BEAMS]
    assert find([HOST, SECOND], lobes) == [True] * 6


@pytest.mark.parametrize(
    "changes", [{"flux_jy": 0.2}, {"radius_beams": 0.0}, {"radius_beams": 3.0}]
)
def test_there_are_no_side_lobes_of_faint_or_far_sources(changes: dict[str, float]) -> None:
    assert not any(find([HOST], both_sides(HOST), **changes))


def test_a_pair_alone_is_no_family() -> None:
    assert not any(find([HOST], both_sides(HOST)[:2]))


@pytest.mark.parametrize(("p_false", "is_held"), [(0.0, False), (0.4, False), (0.7, True)])
def test_a_pair_that_is_likely_false_is_a_family(p_false: float, is_held: bool) -> None:  # noqa: FBT001  (a parameter of the test)
    pair, alone = both_sides(HOST)[:2], at(HOST, (-3.0, 12.0))
    assert find_later(pair, [alone], p_false=p_false) == [is_held, is_held]
    assert find_later([alone], pair[:1], p_false=p_false) == [False]


def test_the_second_of_two_lobes_that_come_one_after_the_other_is_held() -> None:
    pair = both_sides(HOST)[:2]
    assert find_later(pair[1:], pair[:1], p_false=0.8) == [True]
    assert find_later(pair[1:], pair[:1], p_false=0.4) == [False]


def test_true_detections_among_likely_lobes_are_told() -> None:
    pair, alone = both_sides(HOST)[:2], at(HOST, (-3.0, 12.0))
    assert find_later([*pair, alone], [at(HOST, (8.0, 8.0))], p_false=0.8) == [True, True, False]


def test_a_true_detection_among_false_ones_is_hardly_ever_a_lobe() -> None:
    rng = np.random.default_rng(3)
    n_held = 0
    for _ in range(500):
        offsets = rng.uniform(-30, 30, (8, 2)).tolist()
        faint = [at(HOST, (east, north)) for east, north in offsets]
        n_held += find_later(faint[:1], faint[1:], p_false=0.8)[0]
    assert n_held <= 5


def find_later(
    faint: list[tuple[float, float]], earlier: list[tuple[float, float]], *, p_false: float = 0.0
) -> list[bool]:
    """Return which of the first detections around `HOST` are lobes, others having come before."""
    measured = sources([HOST, *faint], flux_jy=[5.0] + [0.015] * len(faint))
    measured = replace(measured, p_false=np.array([0.0] + [p_false] * len(faint)))
    ra, dec = np.array(earlier).T
    first = np.arange(1, len(measured))
    return find_side_lobes(
        measured, first, beam_deg=BEAM_MAJOR_DEG, radius_beams=30.0, earlier=(ra, dec)
    ).tolist()


def test_lobes_that_come_one_after_the_other_are_a_family() -> None:
    lobes = both_sides(HOST)
    assert find_later([lobes[1], at(HOST, (-3.0, 12.0))], [lobes[0], *lobes[2:]]) == [True, False]
    assert find_later(lobes[4:], lobes[:4]) == [True, True]
    assert find_later([lobes[1]], [lobes[0]]) == [False]


def test_a_bright_source_that_was_new_is_no_lobe_of_its_own() -> None:
    lobes = both_sides(HOST)
    assert find_later(lobes[:2], [HOST]) == [False, False]


def test_later_detections_that_are_unrelated_are_hardly_ever_a_family() -> None:
    rng = np.random.default_rng(2)
    n_families = 0
    for _ in range(300):
        offsets = rng.uniform(-30, 30, (20, 2)).tolist()
        faint = [at(HOST, (east, north)) for east, north in offsets]
        n_families += any(find_later(faint[:5], faint[5:]))
    assert n_families <= 2


def test_unrelated_detections_are_hardly_ever_a_family() -> None:
    rng = np.random.default_rng(1)
    n_families = 0
    for _ in range(300):
        offsets = rng.uniform(-30, 30, (20, 2)).tolist()
        faint = [at(HOST, (east, north)) for east, north in offsets]
        n_families += any(find([HOST, SECOND], faint))
    assert n_families <= 2
