"""The grids of background and noise of an image."""

import numpy as np
import numpy.typing as npt

from schemas.reasons import ImageReason
from services.extract.errors import RejectedImageError
from services.extract.kernels.background import background_grid, fill_blank_cells

__all__ = ["measure_background"]

FloatArray = npt.NDArray[np.float64]

_MIN_VALID_FRACTION = 0.2
_MAX_CLIPS = 50


def measure_background(
    pixels: npt.NDArray[np.float32], cell_px: int, median_filter_cells: int = 1
) -> tuple[FloatArray, FloatArray]:
    """Return the grids of background and rms [Jy/beam]; blank cells are filled from neighbours.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    cell_px : int
        Approximate side of a cell: cells divide the image into equal parts [px].
    median_filter_cells : int
        Side of the window of the median filter [cells]; 1: no filter.

    Raises
    ------
    RejectedImageError
        Code ``no_noise`` if the noise cannot be measured anywhere.
    """
    ny, nx = pixels.shape
    shape = max(1, round(ny / cell_px)), max(1, round(nx / cell_px))
    mean, rms = np.empty(shape), np.empty(shape)
    cell_area = ny * nx / (shape[0] * shape[1])
    background_grid(pixels, max(2, int(_MIN_VALID_FRACTION * cell_area)), _MAX_CLIPS, mean, rms)
    # An rms of zero means a corner that was masked with a constant, not an image without noise.
    unusable = ~((rms > 0) & np.isfinite(rms) & np.isfinite(mean))
    if np.all(unusable):
        raise RejectedImageError(
            ImageReason.NO_NOISE,
            "no part of the image has measurable noise: it is constant or blank",
        )
    mean[unusable], rms[unusable] = np.nan, np.nan
    mean, rms = fill_blank_cells(mean), fill_blank_cells(rms)
    if median_filter_cells > 1:
        from scipy.ndimage import median_filter  # noqa: PLC0415  (slow to import, rarely used)

        mean = median_filter(mean, median_filter_cells, mode="nearest")
        rms = median_filter(rms, median_filter_cells, mode="nearest")
    return mean, rms
