"""Pictures: rows from the top, grey by the noise, blank pixels transparent."""

import zlib

import numpy as np
import pytest

from sky.cutout import Cutout
from sky.png import to_png

SIDE = 21


@pytest.mark.parametrize("rms_jy_beam", [None, 101.0, float("nan"), 0.0, 1e30])
@pytest.mark.parametrize("blank", [False, True])
def test_a_png_has_the_rows_from_the_top_and_blanks_transparent(
    rms_jy_beam: float | None, *, blank: bool
) -> None:
    pixels = np.full((SIDE, SIDE), np.nan, np.float32)
    if not blank:
        pixels[10:, 10:] = 100.0 * np.arange(11)[:, np.newaxis] + np.arange(11)
    cutout = Cutout(pixels, 0, 0, "")
    png = to_png(cutout, rms_jy_beam)
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    size = int.from_bytes(png[33:37], "big")
    lines = np.frombuffer(zlib.decompress(png[41 : 41 + size]), np.uint8).reshape(SIDE, 43)
    assert not lines[:, 0].any()
    alpha = lines[:, 2::2][::-1]
    assert np.array_equal(alpha == 255, np.isfinite(cutout.pixels))
    if not blank and rms_jy_beam == 101.0:
        assert lines[10, 1 + 2 * 10] == 59  # 0 Jy/beam is 3 of 13 sigma above black
        assert lines[0, 1 + 2 * 20] == 255  # 10 sigma: 1010 Jy/beam
