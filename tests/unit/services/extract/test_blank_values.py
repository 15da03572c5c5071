"""Constants that stand for blank become NaN, with their reason; what may be a flux stays."""

from collections.abc import Callable

import numpy as np
import pytest
from astropy.io.fits import Header
from hypothesis import given
from hypothesis import strategies as st

from services.extract.steps.pixels import blank_constants
from sky.fits import parse_fits
from sky.fits_pixels import decode_pixels, lowest_code

Mask = np.ndarray
RNG = np.random.default_rng(4)
NOISE = RNG.normal(0, 1e-3, (64, 80)).astype(np.float32)
# Of integers without BLANK, of SWarp, CASA and netCDF, and the largest floats.
BLANKS = (
    -32768.0, -9999.0, 99999.0, 2147483648.0, -2147483648.0, 1e20, -1e30, 9.96921e36,
    3.4028235e38, -3.4028235e38,
)  # fmt: skip


def border() -> Mask:
    mask = np.zeros(NOISE.shape, bool)
    mask[:10] = mask[-3:] = True
    return mask


def circle() -> Mask:
    y, x = np.mgrid[: NOISE.shape[0], : NOISE.shape[1]]
    return np.asarray((y - 32) ** 2 + (x - 40) ** 2 > 35**2)


def few() -> Mask:
    mask = np.zeros(NOISE.shape, bool)
    mask[20:22, 30:32] = True
    return mask


def scattered() -> Mask:
    return np.asarray(np.random.default_rng(5).random(NOISE.shape) < 0.05)


@pytest.mark.parametrize("value", BLANKS)
@pytest.mark.parametrize("where", [border, circle, few, scattered])
def test_a_usual_blank_value_is_blanked_wherever_it_is(
    value: float, where: Callable[[], Mask]
) -> None:
    mask = where()
    pixels = np.where(mask, np.float32(value), NOISE)
    reasons, (lowest, highest) = blank_constants(pixels, is_integer=False)
    assert reasons == (f"blank_value {np.float32(value):g} in {mask.sum()} px",)
    np.testing.assert_array_equal(pixels, np.where(mask, np.float32(np.nan), NOISE))
    assert (lowest, highest) == (NOISE[~mask].min(), NOISE[~mask].max())


@pytest.mark.parametrize("value", [0.0, -1.0, 1.0, 0.25])
@pytest.mark.parametrize("where", [border, circle])
def test_any_constant_around_an_image_is_blanked(value: float, where: Callable[[], Mask]) -> None:
    mask = where()
    pixels = np.where(mask, np.float32(value), NOISE)
    reasons, _ = blank_constants(pixels, is_integer=False)
    assert reasons == (f"blank_value {value:g} in {mask.sum()} px",)
    np.testing.assert_array_equal(np.isnan(pixels), mask)


@pytest.mark.parametrize("value", [1.0, 5e3, -0.5])
def test_a_constant_that_may_be_a_flux_stays(value: float) -> None:
    pixels = np.where(few(), np.float32(value), NOISE)
    reasons, _ = blank_constants(pixels, is_integer=False)
    assert reasons == ()
    assert not np.isnan(pixels).any()


def inside() -> Mask:
    mask = np.zeros(NOISE.shape, bool)
    mask[20:30, 30:45] = True
    return mask


@given(st.integers(-(10**6), -10).map(float) | st.floats(-1e6, -1.0, width=32))
def test_a_constant_below_any_sky_is_blanked_inside_too(value: float) -> None:
    pixels = np.where(inside(), np.float32(value), NOISE)
    reasons, (lowest, _) = blank_constants(pixels, is_integer=False)
    assert reasons == (f"blank_value {np.float32(value):g} in 150 px",)
    np.testing.assert_array_equal(np.isnan(pixels), inside())
    assert lowest == NOISE[~inside()].min()


def test_a_hole_of_side_lobes_stays() -> None:
    y, x = np.mgrid[: NOISE.shape[0], : NOISE.shape[1]]
    hole = np.exp(-((y - 32) ** 2 + (x - 40) ** 2) / 30)
    pixels = (NOISE - 5 * hole).astype(np.float32)
    assert blank_constants(pixels, is_integer=False)[0] == ()
    assert not np.isnan(pixels).any()


def whole_numbers(bits: int, cards: dict[str, float], where: Mask) -> bytes:
    """Return a file of whole numbers that has the lowest code at some pixels."""
    lowest = -(2 ** (bits - 1))
    codes = np.where(where, lowest, NOISE / 1e-5).astype(f">i{bits // 8}")
    given = {"SIMPLE": True, "BITPIX": bits, "NAXIS": 2, "NAXIS1": 80, "NAXIS2": 64} | cards
    return Header(list(given.items())).tostring().encode() + codes.tobytes()


@pytest.mark.parametrize("bits", [16, 32, 64])
@pytest.mark.parametrize("cards", [{"BSCALE": 1e-5}, {"BSCALE": 1e-5, "BZERO": 0.25}])
@pytest.mark.parametrize("where", [border, circle, inside])
def test_the_lowest_code_of_whole_numbers_is_blank_in_runs(
    bits: int, cards: dict[str, float], where: Callable[[], Mask]
) -> None:
    data = whole_numbers(bits, cards, where())
    image = parse_fits(data, {})
    pixels = decode_pixels(data, image)
    reasons, _ = blank_constants(pixels, is_integer=True, lowest_code=lowest_code(image))
    assert len(reasons) == 1
    np.testing.assert_array_equal(np.isnan(pixels), where())


@pytest.mark.parametrize(
    "cards", [{"BZERO": 32768.0}, {"BSCALE": 1e-5, "BZERO": 0.32768}, {"BLANK": 7}]
)
def test_the_lowest_code_is_a_value_of_unsigned_numbers_and_beside_blank(
    cards: dict[str, float],
) -> None:
    assert lowest_code(parse_fits(whole_numbers(16, cards, border()), {})) is None


def test_a_single_impossible_pixel_is_no_blank_value() -> None:
    pixels = NOISE.copy()
    pixels[3, 4] = 1e20
    assert blank_constants(pixels, is_integer=False)[0] == ()


def test_equal_neighbours_of_whole_numbers_are_values() -> None:
    pixels = np.zeros(NOISE.shape, np.float32)
    pixels[30:, :] = np.arange(80)
    reasons, _ = blank_constants(pixels, is_integer=True)
    assert reasons == ()
