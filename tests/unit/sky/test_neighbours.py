"""Neighbours found by cells are those that a comparison of all points finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sky.neighbours import nearest_within, pairs_within

COORDINATES = st.one_of(
    st.integers(-4, 4).map(float),  # many equal points, and points on the borders of cells
    # Below 1e-100 the square of a distance has no digits.
    st.floats(-1e6, 1e6).filter(lambda value: not 0 < abs(value) < 1e-100),
    st.sampled_from([np.nan, np.inf, 1e-12, 1.0 + 1e-15]),
)
RADII = st.one_of(st.sampled_from([0.0, 1.0, 2.0, 1e-9]), st.floats(1e-100, 1e7))


@st.composite
def two_lists(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    n_axes = draw(st.integers(1, 3))
    sizes = st.integers(0, 12)
    first, second = (
        draw(arrays(np.float64, (draw(sizes), n_axes), elements=COORDINATES)) for _ in range(2)
    )
    return first, second


def compare_all(points: np.ndarray, others: np.ndarray, radius: float) -> list[tuple[int, int]]:
    with np.errstate(invalid="ignore"):
        offset = points[:, None] - others[None]
        near = np.einsum("ijk,ijk->ij", offset, offset) <= radius * radius
    return [(int(i), int(j)) for i, j in np.argwhere(near)]


@given(two_lists(), RADII)
def test_cells_find_what_a_comparison_of_all_finds(
    lists: tuple[np.ndarray, np.ndarray], radius: float
):
    point, other = pairs_within(*lists, radius)
    assert list(zip(point.tolist(), other.tolist(), strict=True)) == compare_all(*lists, radius)


@given(two_lists(), RADII)
def test_the_nearest_is_that_of_a_comparison_of_all(
    lists: tuple[np.ndarray, np.ndarray], radius: float
):
    points, others = lists
    distance, nearest = nearest_within(points, others, radius)
    pairs = compare_all(points, others, radius)
    for point, (apart, other) in enumerate(zip(distance, nearest, strict=True)):
        near = [j for i, j in pairs if i == point]
        offsets = np.sqrt(np.square(points[point] - others[near]).sum(axis=1))
        if near:
            assert apart == offsets.min()
            assert other == near[int(np.argmin(offsets))]
        else:
            assert (apart, other) == (np.inf, len(others))


@pytest.mark.parametrize("radius", [1e-7, 1e-3, 0.1, 1.0, 2.0])
def test_unit_vectors_of_the_whole_sky(radius: float):
    vectors = np.random.default_rng(3).normal(size=(400, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    point, other = pairs_within(vectors, vectors, radius)
    assert list(zip(point.tolist(), other.tolist(), strict=True)) == compare_all(
        vectors, vectors, radius
    )
