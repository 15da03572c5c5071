"""Regions of the IVOA: what they are, what is in them, and what of an image."""

import math

import numpy as np
import pytest
from astropy.wcs import WCS

from sky.cutout import cut_region
from sky.geometry import separation_deg
from sky.header.celestial import to_wcs_header
from sky.regions import Circle, Polygon, Range, RegionError, parse_region

_SQUARE = "POLYGON 359 -1 1 -1 1 1 359 1"


def test_shapes_are_read() -> None:
    assert parse_region("circle 12.5 -3 .5") == Circle(12.5, -3, 0.5)
    assert parse_region("RANGE -Inf +Inf -2 +Inf") == Range(0, 360, -2, 90)
    assert parse_region(_SQUARE) == Polygon(((359, -1), (1, -1), (1, 1), (359, 1)))
    backwards = parse_region("POLYGON 359 1 1 1 1 -1 359 -1")
    assert isinstance(backwards, Polygon)
    assert backwards.contains(np.array([0.0]), np.array([0.0])).all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no shape"),
        ("ELLIPSE 1 2 3 4", "no shape"),
        ("CIRCLE 1 2", "has 3 numbers"),
        ("CIRCLE 1 2 x", "no number"),
        ("CIRCLE nan 2 3", "NaN"),
        ("CIRCLE 400 2 3", "ra: 400 is not within"),
        ("CIRCLE 1 91 3", "dec: 91"),
        ("CIRCLE 1 2 -1", "radius: -1"),
        ("CIRCLE 1 2 1e308", "radius"),
        ("RANGE 2 1 0 1", "lower limit before"),
        ("RANGE 1 2 100 101", "declinations -90"),
        ("POLYGON 0 0 1 0", "3 to 64 pairs"),
        ("POLYGON 0 0 1 0 1", "3 to 64 pairs"),
        ("POLYGON 0 0 1 0 2 0", "no area"),
        ("POLYGON 0 0 2 0 0.5 0.5 0 2", "not convex"),
        ("POLYGON " + "1 " * 2000, "pairs|longer"),
        ("CIRCLE " + "1" * 5000, "longer"),
    ],
)
def test_what_is_no_region_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(RegionError, match=words):
        parse_region(text)


@pytest.mark.parametrize("text", ["CIRCLE 359.9 89.5 3", "CIRCLE 10 -20 1e-3", _SQUARE])
def test_the_border_of_a_region_is_in_it(text: str) -> None:
    region = parse_region(text)
    assert region.contains(*region.border()).all()


def test_a_circle_holds_what_is_nearer_than_its_radius() -> None:
    circle = Circle(0.5, 88.0, 5.0)
    random = np.random.default_rng(3)
    ra, dec = random.uniform(0, 360, 500), random.uniform(80, 90, 500)
    near = [separation_deg(0.5, 88.0, *place) <= 5 for place in zip(ra, dec, strict=True)]
    assert circle.contains(ra, dec).tolist() == near
    border = [separation_deg(0.5, 88.0, *each) for each in zip(*circle.border(), strict=True)]
    assert np.allclose(border[:-1], 5.0)


def test_a_polygon_holds_both_sides_of_0h() -> None:
    inside = parse_region(_SQUARE).contains(
        np.array([359.5, 0.5, 2.0, 180.0]), np.array([0.5, -0.5, 0.0, 0.0])
    )
    assert inside.tolist() == [True, True, False, False]


def _image() -> tuple[np.ndarray, str]:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---SIN", "DEC--SIN"], [0.0, 10.0]
    wcs.wcs.crpix, wcs.wcs.cdelt = [51, 41], [-0.01, 0.01]
    pixels = np.arange(80 * 100, dtype=np.float32).reshape(80, 100)
    return pixels, to_wcs_header(wcs.to_header())


@pytest.mark.parametrize(
    ("text", "place", "shape"),
    [
        ("CIRCLE 0 10 0.1", (40, 30), (21, 21)),
        ("CIRCLE 0 10 1e-6", (50, 40), (1, 1)),
        ("CIRCLE 0 10 20", (0, 0), (80, 100)),
        ("RANGE 0 360 -90 90", (0, 0), (80, 100)),
        ("RANGE 0 360 10 10.1", (0, 40), None),
        ("POLYGON 359.9 9.9 0.1 9.9 0.1 10.1 359.9 10.1", (40, 30), (21, 21)),
        # Its centre is beyond the edge of the image.
        ("CIRCLE 0 9 0.7", None, None),
    ],
)
def test_the_least_rectangle_is_cut(
    text: str, place: tuple[int, int] | None, shape: tuple[int, int] | None
) -> None:
    pixels, header = _image()
    cutout = cut_region(pixels, header, parse_region(text))
    assert cutout is not None
    x, y = cutout.x_px, cutout.y_px
    rows, columns = cutout.pixels.shape
    assert np.array_equal(cutout.pixels, pixels[y : y + rows, x : x + columns])
    assert place is None or math.dist((x, y), place) <= math.sqrt(2)
    assert shape is None or max(abs(rows - shape[0]), abs(columns - shape[1])) <= 1


def test_a_region_elsewhere_has_no_pixels() -> None:
    pixels, header = _image()
    for text in ("CIRCLE 180 -10 1", "CIRCLE 0 12 0.5", "RANGE 90 270 -90 90"):
        assert cut_region(pixels, header, parse_region(text)) is None
