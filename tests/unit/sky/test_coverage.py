"""Cells of the sky: as many as a field needs, and every place finds its own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sky.coverage import cell_order, cells_around, cells_of_field
from sky.wcs import SkyProjection
from tests.support.examples import examples
from tests.support.records import wcs_header

WIDTH_PX = 500
CENTRES = [(123.0, 10.0), (0.0, 0.0), (359.99, -45.0), (77.0, 89.99), (12.0, -90.0)]


def field(
    centre: tuple[float, float], radius_deg: float
) -> tuple[str, tuple[int, int], float, int]:
    cell_deg = radius_deg / (WIDTH_PX / 2 * 2**0.5)
    header = wcs_header(*centre, WIDTH_PX, cell_deg).replace("SIN", "ZEA")
    return header, (WIDTH_PX, WIDTH_PX), radius_deg, 10


@pytest.mark.parametrize("centre", CENTRES)
@pytest.mark.parametrize("radius_deg", [0.05, 1.0, 3.7, 20.0, 85.0])
def test_a_field_has_some_hundred_cells_whatever_its_size(
    centre: tuple[float, float], radius_deg: float
) -> None:
    cells, x, y = cells_of_field(*field(centre, radius_deg))
    # The square inside the circle; a cell is 1/16 to 1/8 of the radius.
    assert 60 < cells.size < 600
    assert len(set(cells.tolist())) == cells.size
    assert np.all((x >= 9.5) & (x <= WIDTH_PX - 10.5))
    assert np.all((y >= 9.5) & (y <= WIDTH_PX - 10.5))


@settings(max_examples=examples(50))
@given(
    st.sampled_from(CENTRES),
    st.floats(0.05, 80.0),
    st.floats(10.0, WIDTH_PX - 11.0),
    st.floats(10.0, WIDTH_PX - 11.0),
)
def test_every_position_in_an_image_is_in_or_beside_one_of_its_cells(
    centre: tuple[float, float], radius_deg: float, x: float, y: float
) -> None:
    place = field(centre, radius_deg)
    ra, dec = SkyProjection.of(place[0]).to_sky(np.array([x]), np.array([y]))
    around = cells_around(ra, dec, [cell_order(radius_deg)])
    assert around.size <= 9
    assert np.intersect1d(around, cells_of_field(*place)[0]).size


def test_cells_of_different_orders_have_different_numbers() -> None:
    everywhere = np.linspace(0, 359, 300), np.linspace(-90, 90, 300)
    seen: set[int] = set()
    for order in range(17):
        cells = set(cells_around(*everywhere, [order]).tolist())
        assert not cells & seen
        seen |= cells


def test_no_orders_are_no_cells() -> None:
    assert cells_around(np.array([1.0]), np.array([1.0]), []).size == 0
