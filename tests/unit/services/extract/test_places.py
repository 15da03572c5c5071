"""Positions and steps of many sources are those of `SkyProjection`, in any frame."""

import numpy as np
import pytest

from services.extract.steps.places import to_sky_with_jacobian
from sky.wcs import SkyProjection

BASE = {
    "CTYPE1": "'RA---SIN'", "CTYPE2": "'DEC--SIN'", "CRVAL1": 359.9999, "CRVAL2": 42.1,
    "CRPIX1": 129.25, "CRPIX2": 127.75, "CDELT1": -0.01, "CDELT2": 0.01, "RADESYS": "'ICRS'",
}  # fmt: skip
FRAMES = {
    "plain": {},
    "pole": {"CRVAL2": 90.0, "CRPIX1": 130.0, "CRPIX2": 128.0},
    "FK4": {"RADESYS": "'FK4'", "EQUINOX": 1950.0},
    "FK5": {"RADESYS": "'FK5'", "EQUINOX": 1975.0},
    "galactic": {"CTYPE1": "'GLON-CAR'", "CTYPE2": "'GLAT-CAR'"},
    "latitude first": {"CTYPE1": "'DEC--TAN'", "CTYPE2": "'RA---TAN'", "CRVAL1": -10.0},
    "SIP": {
        "CTYPE1": "'RA---TAN-SIP'",
        "CTYPE2": "'DEC--TAN-SIP'",
        "A_ORDER": 2,
        "A_2_0": 1e-5,
        "B_ORDER": 2,
        "B_0_2": 1e-5,
    },
    "half beyond the sky": {"CDELT1": -0.8, "CDELT2": 0.8},
}


@pytest.mark.parametrize("frame", FRAMES)
def test_positions_and_steps_are_those_of_the_projection(frame: str) -> None:
    cards = BASE | FRAMES[frame]
    projection = SkyProjection("\n".join(f"{name:<8}= {value}" for name, value in cards.items()))
    x, y = np.random.default_rng(2).uniform(0, 255, (2, 200))
    x[0], y[0] = 129.0, 127.0
    ra, dec, jacobian = to_sky_with_jacobian(projection, x, y)
    expected_ra, expected_dec = projection.to_sky(x, y)
    assert np.isfinite(expected_ra).any()
    np.testing.assert_array_equal(np.isfinite(ra), np.isfinite(expected_ra))
    assert np.nanmax(np.abs((ra - expected_ra + 180) % 360 - 180)) < 1e-10
    np.testing.assert_allclose(dec, expected_dec, atol=1e-10)
    step_deg = abs(float(cards["CDELT2"]))
    np.testing.assert_allclose(
        jacobian, projection.jacobian(x, y), rtol=1e-7, atol=1e-7 * step_deg
    )


def test_no_source_has_no_position() -> None:
    projection = SkyProjection("\n".join(f"{name:<8}= {value}" for name, value in BASE.items()))
    ra, dec, jacobian = to_sky_with_jacobian(projection, np.empty(0), np.empty(0))
    assert (ra.size, dec.size, jacobian.shape) == (0, 0, (0, 2, 2))
