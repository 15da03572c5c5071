"""Which images cover a position, and how deep they are there."""

from datetime import UTC, datetime
from typing import Any

import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from api.steps.looks import to_looks

CELL_DEG = 10 / 3600
CENTRE = (359.9, 10.0)


def row(**values: Any) -> dict[str, Any]:
    header = fits.Header()
    for key, value in {
        "NAXIS": 2, "NAXIS1": 100, "NAXIS2": 100, "CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN",
        "CRVAL1": CENTRE[0], "CRVAL2": CENTRE[1], "CRPIX1": 50.5, "CRPIX2": 50.5,
        "CDELT1": -CELL_DEG, "CDELT2": CELL_DEG, "CUNIT1": "deg", "CUNIT2": "deg",
        "RADESYS": "ICRS",
    }.items():  # fmt: skip
        header[key] = value
    return {
        "image_key": 7, "image_id": "ab" * 32, "stream": "s", "exposure_s": 10.0,
        "time_start": datetime(2026, 1, 1, tzinfo=UTC), "freq_eff_hz": 1e8, "freq_bw_hz": 1e6,
        "stokes": "I", "width_px": 100, "height_px": 100, "margin_px": 10,
        "detection_threshold_sigma": 8.0, "rms_grid_columns": 2,
        "rms_grid": [0.001, 0.001, 0.003, 0.003], "wcs_header": header.tostring(sep="\n"),
    } | values  # fmt: skip


@given(st.floats(-0.6, 0.6), st.floats(-0.6, 0.6))
def test_a_look_is_within_the_image_and_as_deep_as_the_grid(x: float, y: float) -> None:
    """`x` and `y` are parts of the image's side from its centre."""
    ra, dec = CENTRE[0] + 100 * x * CELL_DEG / 0.9848, CENTRE[1] + 100 * y * CELL_DEG
    looks = to_looks([row()], ra % 360, dec)
    if max(abs(x), abs(y)) > 0.51:
        assert looks == []
    if max(abs(x), abs(y)) < 0.49:
        (look,) = looks
        assert 0.001 <= look.rms_local_jy_beam <= 0.003
        assert look.rms_local_jy_beam == pytest.approx(
            min(max(0.002 + 0.004 * y, 0.001), 0.003), abs=1e-4
        )
        assert look.limit_jy_beam == pytest.approx(8 * look.rms_local_jy_beam)
        if max(abs(x), abs(y)) < 0.39:
            assert look.is_searched
        if max(abs(x), abs(y)) > 0.41:
            assert not look.is_searched


def test_a_blank_place_was_not_looked_at() -> None:
    assert to_looks([row(rms_grid=[float("nan")] * 4)], *CENTRE) == []
    (look,) = to_looks([row(detection_threshold_sigma=None)], *CENTRE)
    assert look.limit_jy_beam is None
