"""One margin for the extractor and for whoever asks what an image has searched."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.extract.kernels.islands import find_peaks
from sky.margin import border_distance_px, is_searched, searched_pixels

# Pixels that touch at a corner are of one island.
EIGHT = True
SIDES = st.integers(1, 12)


@given(SIDES, SIDES, st.integers(0, 7))
def test_the_searched_pixels_are_those_where_the_kernel_finds_peaks(
    rows: int, columns: int, margin_px: int
) -> None:
    for y, x in np.ndindex(rows, columns):
        pixels = np.zeros((rows, columns), np.float32)
        pixels[y, x] = 10.0
        found, _, _, _ = find_peaks(
            pixels, np.zeros((1, 1)), np.ones((1, 1)), 5.0, 3.0,
            searched_pixels(rows, margin_px), searched_pixels(columns, margin_px), EIGHT,
        )  # fmt: skip
        assert is_searched((rows, columns), [x], [y], margin_px)[0] == (found.size == 1)


@given(
    st.tuples(SIDES, SIDES),
    st.floats(-5, 20, allow_nan=False),
    st.floats(-5, 20, allow_nan=False),
    st.integers(0, 7),
)
def test_a_position_is_searched_where_the_pixel_it_lies_in_is(
    shape: tuple[int, int], x: float, y: float, margin_px: int
) -> None:
    inside = [
        first <= pixel < end
        for position, n_px in ((x, shape[1]), (y, shape[0]))
        for first, end in [searched_pixels(n_px, margin_px)]
        for pixel in [np.floor(position + 0.5)]
    ]
    # An edge between two pixels is of neither.
    on_edge = (x + 0.5) % 1 == 0 or (y + 0.5) % 1 == 0
    if not on_edge:
        assert is_searched(shape, [x], [y], margin_px)[0] == all(inside)


@pytest.mark.parametrize(
    ("x", "y", "distance_px"),
    [
        (50, 100, 39.5),
        (9.5, 100, 0),
        (9, 100, -0.5),
        (89.5, 100, 0),
        (50, 12, 2.5),
        (50, 200, -10.5),
    ],
)
def test_the_border_is_half_a_pixel_outside_the_outermost_pixel(
    x: float, y: float, distance_px: float
) -> None:
    assert border_distance_px((200, 100), [x], [y], 10) == pytest.approx([distance_px])


def test_a_position_beyond_the_projection_is_not_searched() -> None:
    assert not is_searched((100, 100), [np.nan, 50.0], [50.0, np.nan], 0).any()


def test_margins_that_meet_leave_no_searched_pixel() -> None:
    assert searched_pixels(20, 10) == (10, 10)
    assert searched_pixels(19, 10) == (10, 10)
    assert not is_searched((19, 100), [50.0] * 3, [9.0, 9.5, 10.0], 10).any()
