"""A square of pixels as PNG."""

import math
import struct
import zlib

import numpy as np
import numpy.typing as npt

from sky.cutout import Cutout

__all__ = ["to_png"]

# What a display shows, in units of the rms: the noise, and a detection.
_BLACK_SIGMA, _WHITE_SIGMA = -3.0, 10.0
_PNG_GREY_ALPHA = 4


def to_png(
    cutout: Cutout, rms_jy_beam: float | None, *, peak_jy_beam: float | None = None
) -> bytes:
    """Return a picture of a cutout: one pixel a pixel, north as in the image, blank transparent.

    Parameters
    ----------
    cutout : Cutout
        Pixels.
    rms_jy_beam : float or None
        Noise of the image [Jy/beam]: -3 of it is black; 10 of it or the peak is white. Without
        it the least and greatest values are.
    peak_jy_beam : float or None
        Peak that is white [Jy/beam]; None: that of the cutout.
    """
    finite = np.isfinite(cutout.pixels)
    values = np.where(finite, cutout.pixels, 0.0).astype(np.float64)
    least, peak = (
        (float(values[finite].min()), float(values[finite].max())) if finite.any() else (0.0, 1.0)
    )
    if rms_jy_beam is not None and math.isfinite(rms_jy_beam) and rms_jy_beam > 0:
        white = peak if peak_jy_beam is None else peak_jy_beam
        least, peak = _BLACK_SIGMA * rms_jy_beam, max(_WHITE_SIGMA * rms_jy_beam, white)
    grey = np.clip((values - least) / (peak - least or 1.0), 0, 1) * 255
    # FITS counts rows from the bottom.
    picture = np.stack([grey.round(), finite * 255.0], axis=-1).astype(np.uint8)[::-1]
    return _write_png(picture)


def _write_png(picture: npt.NDArray[np.uint8]) -> bytes:
    """Return a PNG (RFC 2083) of rows of grey and alpha."""
    rows, columns, _ = picture.shape
    lines = np.zeros((rows, 1 + 2 * columns), np.uint8)
    lines[:, 1:] = picture.reshape(rows, -1)
    head = struct.pack(">IIBBBBB", columns, rows, 8, _PNG_GREY_ALPHA, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(lines.tobytes())), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
