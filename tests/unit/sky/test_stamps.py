"""Stamps with north up, and the difference of two on different grids."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sky.cutout import Cutout
from sky.stamps import subtract, turn_north_up
from sky.wcs import SkyProjection

SIDE, MIDDLE, CELL_DEG = 33, 16, 0.01
SIGMA_PX = 2.0


def header_of(ra: float, dec: float, turn_deg: float, *, mirrored: bool = False) -> str:
    cos, sin = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    sign = 1 if mirrored else -1
    cards = {
        "CTYPE1": "'RA---SIN'", "CTYPE2": "'DEC--SIN'", "CRVAL1": f"{ra:.6f}",
        "CRVAL2": f"{dec:.6f}", "CRPIX1": MIDDLE + 1, "CRPIX2": MIDDLE + 1,
        "CD1_1": f"{sign * CELL_DEG * cos:.9f}", "CD1_2": f"{CELL_DEG * sin:.9f}",
        "CD2_1": f"{-sign * CELL_DEG * sin:.9f}", "CD2_2": f"{CELL_DEG * cos:.9f}",
    }  # fmt: skip
    return "\n".join(f"{name:<8}= {value:>20}" for name, value in cards.items())


def stamp_of(header: str, *places: tuple[float, float]) -> Cutout:
    """Return a stamp with a Gaussian at each place [deg]."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    pixels = np.zeros((SIDE, SIDE), np.float32)
    for ra, dec in places:
        x, y = SkyProjection(header).to_pixel(np.array([ra]), np.array([dec]))
        radius2 = (columns - x) ** 2 + (rows - y) ** 2
        pixels += np.exp(-radius2 / (2 * SIGMA_PX**2)).astype(np.float32)
    return Cutout(pixels, 0, 0, header)


@settings(deadline=None, max_examples=40)
@given(
    ra=st.one_of(st.sampled_from([0.0, 359.9999]), st.floats(0, 359.9)),
    dec=st.one_of(st.sampled_from([89.9999, -89.9999]), st.floats(-89, 89)),
    turn_deg=st.floats(-180, 180),
    mirrored=st.booleans(),
)
def test_north_is_up_and_east_is_left(
    ra: float, dec: float, turn_deg: float, *, mirrored: bool
) -> None:
    header = header_of(ra, dec, turn_deg, mirrored=mirrored)
    centre = SkyProjection(header).to_sky(np.array([float(MIDDLE)]), np.array([float(MIDDLE)]))
    ra, dec = float(centre[0][0]), float(centre[1][0])
    # Eight pixels to the north on the tangent plane, and five to the east.
    upright = turn_north_up(stamp_of(header_of(ra, dec, 90.0), (ra, dec)), ra, dec)
    north, east = (
        SkyProjection(upright.wcs_header).to_sky(np.array([x]), np.array([y]))
        for x, y in ((16.0, 24.0), (11.0, 16.0))
    )
    places = [(float(each[0][0]), float(each[1][0])) for each in (north, east)]
    found = turn_north_up(stamp_of(header, (ra, dec), *places), ra, dec).pixels
    for row, column in ((16, 16), (24, 16), (16, 11)):
        around = found[row - 1 : row + 2, column - 1 : column + 2]
        assert np.nanmax(around) > 0.85
    assert np.nanmax(found[6:11, 14:19]) < 0.1


def test_a_stamp_that_is_upright_is_left_alone() -> None:
    stamp = stamp_of(header_of(10, 20, 0.1), (10, 20))
    assert turn_north_up(stamp, 10, 20) is stamp


@pytest.mark.parametrize("turn_deg", [0.0, 30.0])
def test_a_difference_is_taken_on_the_sky(turn_deg: float) -> None:
    now = stamp_of(header_of(0.02, 60.0, 0.0), (0.02, 60.0), (0.1, 60.05))
    before = stamp_of(header_of(0.0, 60.01, turn_deg), (0.1, 60.05))
    found = subtract(now, before)
    assert found.wcs_header == now.wcs_header
    assert found.pixels[MIDDLE, MIDDLE] == pytest.approx(1.0, abs=0.06)
    alone = stamp_of(now.wcs_header, (0.02, 60.0)).pixels
    assert np.nanmax(np.abs(found.pixels - alone)) < 0.1


def test_the_same_grid_is_subtracted_as_it_is() -> None:
    header = header_of(359.99, -89.5, 12.0)
    now, before = stamp_of(header, (359.99, -89.5)), stamp_of(header, (100.0, -89.5))
    before.pixels[3, 4] = np.nan
    found = subtract(now, before).pixels
    assert np.argwhere(np.isnan(found)).tolist() == [[3, 4]]
    np.testing.assert_allclose(
        np.nan_to_num(found), np.nan_to_num(now.pixels - before.pixels), atol=1e-6
    )
