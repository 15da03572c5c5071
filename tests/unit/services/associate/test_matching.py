"""The cross-match against a plain reference, and its symmetries."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.associate.steps.matching import Links, Positions, find_pairs, resolve
from tests.support.examples import examples

FloatArray = np.ndarray[tuple[int], np.dtype[np.float64]]
SCALE_DEG = 0.02


def positions(rng: np.random.Generator, n: int, centre: tuple[float, float]) -> Positions:
    """Return positions scattered around a centre."""
    east, north = rng.normal(0, SCALE_DEG, (2, n))
    dec = np.clip(centre[1] + north, -90, 90)
    ra = (centre[0] + east / np.maximum(np.cos(np.radians(dec)), 1e-6)) % 360
    errors = rng.uniform(0.2, 1.0, (2, n)) * SCALE_DEG / 5
    return Positions(ra, dec, errors[0], errors[1])


def reference_pairs(
    detections: Positions, sources: Positions, limit: float, distance_deg: float
) -> dict[tuple[int, int], float]:
    """Match every pair by the angle between two vectors."""
    pairs = {}
    for i in range(detections.ra.size):
        for j in range(sources.ra.size):
            d_ra = (detections.ra[i] - sources.ra[j] + 180) % 360 - 180
            dec = np.radians([sources.dec[j], detections.dec[i]])
            east = np.degrees(np.cos(dec[1]) * np.sin(np.radians(d_ra)))
            north = np.degrees(
                np.sin(dec[1]) * np.cos(dec[0])
                - np.cos(dec[1]) * np.sin(dec[0]) * np.cos(np.radians(d_ra))
            )
            radius = np.hypot(
                east / np.hypot(detections.east_err[i], sources.east_err[j]),
                north / np.hypot(detections.north_err[i], sources.north_err[j]),
            )
            if radius < limit and np.hypot(east, north) <= distance_deg:
                pairs[i, j] = radius
    return pairs


@settings(max_examples=examples(60))
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 12),
    st.integers(0, 12),
    st.sampled_from([(123.0, 10.0), (0.0, 0.0), (359.999, -50.0), (77.0, 89.99), (12.0, -90.0)]),
)
def test_pairs_are_those_of_the_reference(
    seed: int, n_detections: int, n_sources: int, centre: tuple[float, float]
) -> None:
    rng = np.random.default_rng(seed)
    detections, sources = positions(rng, n_detections, centre), positions(rng, n_sources, centre)
    found = find_pairs(detections, sources, de_ruiter_limit=5.68, distance_limit_deg=0.05)
    expected = reference_pairs(detections, sources, 5.68, 0.05)
    pairs = zip(found.detection.tolist(), found.source.tolist(), strict=True)
    got = dict(zip(pairs, found.de_ruiter_radius, strict=True))
    assert got.keys() == expected.keys()
    assert got == pytest.approx(expected, rel=1e-6)


@settings(max_examples=examples(40))
@given(st.integers(0, 2**32 - 1), st.floats(0, 360), st.booleans())
def test_turning_and_mirroring_the_sky_changes_nothing(
    seed: int,
    turn_deg: float,
    mirror: bool,  # noqa: FBT001  (hypothesis passes it)
) -> None:
    rng = np.random.default_rng(seed)
    both = positions(rng, 8, (0.0, 40.0)), positions(rng, 8, (0.0, 40.0))

    def links(*, turn_deg: float = 0.0, sign: float = 1.0) -> set[tuple[int, int]]:
        turned = [
            Positions((each.ra + turn_deg) % 360, sign * each.dec, each.east_err, each.north_err)
            for each in both
        ]
        kept, _ = resolve(find_pairs(*turned, de_ruiter_limit=5.68, distance_limit_deg=0.05))
        return set(zip(kept.detection.tolist(), kept.source.tolist(), strict=True))

    assert links(turn_deg=turn_deg, sign=-1.0 if mirror else 1.0) == links()


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(1, 4)), max_size=15))
def test_every_detection_with_a_pair_is_kept_or_split_once(
    rows: list[tuple[int, int, int]],
) -> None:
    unique = {(detection, source): radius for detection, source, radius in rows}
    pairs = Links(
        np.array([key[0] for key in unique], np.int64),
        np.array([key[1] for key in unique], np.int64),
        np.array(list(unique.values()), float),
    )
    kept, split = resolve(pairs)
    assert len(set(kept.source.tolist())) == kept.source.size
    assert set(kept.detection) | set(split.detection) == set(pairs.detection)
    assert not set(kept.detection) & set(split.detection)
    assert len(set(split.detection.tolist())) == split.detection.size
    shuffled = np.random.default_rng(0).permutation(pairs.source.size)
    again, _ = resolve(pairs.select(shuffled))
    assert again.source.tolist() == kept.source.tolist()
    assert again.detection.tolist() == kept.detection.tolist()


def test_an_unusable_error_matches_nothing() -> None:
    position = np.array([10.0, 10.0, 10.0])
    bad = np.array([np.inf, np.nan, 0.0])
    found = find_pairs(
        Positions(position, position, bad, bad),
        Positions(position[:1], position[:1], np.array([0.1]), np.array([0.1])),
        de_ruiter_limit=5.0,
        distance_limit_deg=1.0,
    )
    assert found.source.size == 0
