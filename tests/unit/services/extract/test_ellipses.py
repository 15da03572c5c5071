"""The restoring beam is one ellipse of (l, m), wherever the image centre or the pole is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.extract.kernels.ellipses import map_axes, map_moments
from services.extract.models import BeamShape, Image
from services.extract.steps.ellipses import ellipses_on_sky, to_beam_shape
from services.extract.steps.image import open_image
from tests.support.fits_images import make

BEAM = {"BMAJ": 0.12, "BMIN": 0.03, "BPA": 70.0}
CODES = ["SIN", "TAN", "ARC", "ZEA", "STG"]


def opened(**cards: object) -> Image:
    return open_image(make(**(BEAM | cards)), {})


def moments(beam: BeamShape) -> np.ndarray:
    cos, sin = np.cos(beam.angle_rad), np.sin(beam.angle_rad)
    turn = np.array([[cos, -sin], [sin, cos]])
    return np.asarray(turn @ np.diag([beam.major_px**2, beam.minor_px**2]) @ turn.T)


@given(
    code=st.sampled_from(CODES),
    ra=st.floats(0.0, 360.0),
    dec=st.floats(-89.0, 89.0),
    turn_deg=st.floats(-180.0, 180.0),
    pa_deg=st.floats(0.0, 179.9),
)
def test_at_the_reference_pixel_the_sky_has_the_beam_of_the_header(
    code: str, ra: float, dec: float, turn_deg: float, pa_deg: float
) -> None:
    image = opened(
        CTYPE1=f"RA---{code}", CTYPE2=f"DEC--{code}", CRVAL1=ra, CRVAL2=dec, CROTA2=turn_deg,
        BPA=pa_deg,
    )  # fmt: skip
    beam = to_beam_shape(image)
    jacobian = image.projection.jacobian(np.array([31.0]), np.array([31.0]))
    one = np.ones(1)
    major, minor, pa = ellipses_on_sky(
        (beam.major_px * one, beam.minor_px * one), beam.angle_rad * one, jacobian
    )
    assert (major[0], minor[0]) == pytest.approx((432.0, 108.0), rel=1e-5)
    assert (pa[0] - pa_deg + 90.0) % 180.0 == pytest.approx(90.0, abs=1e-2)


@pytest.mark.parametrize("dec", [70.0, -85.0, 20.0])
def test_a_cut_out_far_from_the_reference_pixel_has_the_beam_of_the_whole_image(
    dec: float,
) -> None:
    whole = to_beam_shape(opened(CRVAL2=dec))
    cut_out = to_beam_shape(opened(CRVAL2=dec, CRPIX1=-1500.0, CRPIX2=-1200.0))
    np.testing.assert_allclose(moments(cut_out), moments(whole), rtol=1e-9)


@pytest.mark.parametrize("pole", [90.0, -90.0])
@pytest.mark.parametrize("ra", [0.0, 123.0])
def test_a_field_on_the_pole_has_the_beam_of_a_field_beside_it(pole: float, ra: float) -> None:
    at_pole = to_beam_shape(opened(CRVAL1=ra, CRVAL2=pole, CRPIX1=32.5, CRPIX2=32.5))
    beside = to_beam_shape(opened(CRVAL1=ra, CRVAL2=pole * 0.9999, CRPIX1=32.5, CRPIX2=32.5))
    np.testing.assert_allclose(moments(at_pole), moments(beside), rtol=1e-9)


def test_pixels_that_are_not_square_shear_the_beam() -> None:
    beam = to_beam_shape(opened(CDELT1=-0.02, BMAJ=0.08, BMIN=0.08))
    assert (beam.major_px, beam.minor_px) == pytest.approx((8.0, 4.0), rel=1e-9)
    assert abs(np.sin(beam.angle_rad)) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "cards",
    [
        {"LONPOLE": 150.0},
        {"CTYPE1": "DEC--SIN", "CTYPE2": "RA---SIN", "CRVAL1": 20.0, "CRVAL2": 10.0,
         "CDELT1": 0.01, "CDELT2": -0.01},
        {"CUNIT1": "arcsec", "CUNIT2": "arcsec", "CRVAL1": 36000.0, "CRVAL2": 72000.0,
         "CDELT1": -36.0, "CDELT2": 36.0},
        {"CTYPE1": "RA---NCP", "CTYPE2": "DEC--NCP"},
    ],
    ids=["LONPOLE", "latitude first", "arcsec", "NCP"],
)  # fmt: skip
def test_the_reference_matrix_is_the_local_one_at_the_reference_pixel(
    cards: dict[str, object],
) -> None:
    projection = opened(**cards).projection
    matrix = projection.reference_matrix
    assert matrix is not None
    local = projection.jacobian(np.array([31.0]), np.array([31.0]))[0]
    np.testing.assert_allclose(matrix, local, atol=1e-6)


def test_a_projection_without_a_plane_takes_the_image_centre() -> None:
    image = opened(CTYPE1="RA---CAR", CTYPE2="DEC--CAR", CRVAL2=0.0)
    assert image.projection.reference_matrix is None
    assert to_beam_shape(image).major_px == pytest.approx(12.0, rel=1e-3)


@given(
    axes=st.tuples(st.floats(1.0, 20.0), st.floats(1.0, 20.0)),
    angle_rad=st.floats(-3.2, 3.2),
    matrix=st.lists(st.floats(-2.0, 2.0), min_size=4, max_size=4),
)
def test_mapped_moments_are_those_of_a_product_of_matrices(
    axes: tuple[float, float], angle_rad: float, matrix: list[float]
) -> None:
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    step = np.array(matrix).reshape(2, 2) @ np.array([[cos, -sin], [sin, cos]])
    expected = step @ np.diag(np.square(axes)) @ step.T
    one, out = np.ones(1), np.empty((3, 1))
    map_moments(
        axes[0] * one, axes[1] * one, angle_rad * one, np.array(matrix).reshape(1, 2, 2), out
    )
    np.testing.assert_allclose(
        out[:, 0], [expected[0, 0], expected[1, 1], expected[0, 1]], rtol=1e-12, atol=1e-9
    )
    map_axes(axes[0] * one, axes[1] * one, angle_rad * one, np.array(matrix).reshape(1, 2, 2), out)
    least, most = np.linalg.eigvalsh(expected)
    np.testing.assert_allclose(out[0, 0] ** 2, most, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(out[1, 0] ** 2, least, rtol=1e-6, atol=1e-6)
