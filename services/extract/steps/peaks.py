"""From pixels above the threshold to the peaks that are sources."""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from services.extract.kernels.deblending import separate_peaks
from services.extract.kernels.grid_interpolation import grids_at
from services.extract.kernels.islands import find_peaks
from services.extract.kernels.neighbours import nearest_neighbours
from services.extract.kernels.peak_lists import merged_lists
from services.extract.models import BeamShape, FinderParameters
from services.extract.steps.secondary_peaks import settle_secondary_peaks
from sky.margin import searched_pixels

__all__ = [
    "MAX_NEIGHBOURS",
    "Peaks",
    "find_source_peaks",
    "is_searched",
    "merge_peaks",
    "neighbours_within",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

MAX_NEIGHBOURS = 8
# Peaks of correlated noise lie one to two beams apart.
_CONTRAST_BEAMS = 3.0


@dataclass(frozen=True, slots=True)
class Peaks:
    """Peak pixels in raster order; peaks with the same `island` touch; all (n,).

    `background` and `rms` are those at the peaks [Jy/beam].
    """

    y: IntArray
    x: IntArray
    island: IntArray
    background: FloatArray
    rms: FloatArray

    def select(self, chosen: BoolArray | IntArray) -> "Peaks":
        """Return some of the peaks."""
        return Peaks(*(getattr(self, column.name)[chosen] for column in fields(self)))


def merge_peaks(peaks: Peaks, others: Peaks) -> tuple[Peaks, BoolArray]:
    """Return both in raster order, and which are the others."""
    y, x, island, background, rms, is_other = merged_lists(
        peaks.y, peaks.x, peaks.island, peaks.background, peaks.rms,
        others.y, others.x, others.island, others.background, others.rms,
    )  # fmt: skip
    return Peaks(y, x, island, background, rms), is_other


def find_source_peaks(
    pixels: npt.NDArray[np.float32],
    background_grid: FloatArray,
    rms_grid: FloatArray,
    beam: BeamShape,
    parameters: FinderParameters,
) -> Peaks:
    """Return the peaks above the threshold, without those that are noise on the flank of another.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    background_grid, rms_grid : (rows, columns) float64
        Without NaN [Jy/beam].
    beam : BeamShape
        The restoring beam.
    parameters : FinderParameters
        Thresholds, margin, radius, contrast.
    """
    y, x, island, _ = find_peaks(
        pixels,
        background_grid,
        rms_grid,
        parameters.detection_threshold_sigma,
        parameters.analysis_threshold_sigma,
        searched_pixels(pixels.shape[0], parameters.margin_px),
        searched_pixels(pixels.shape[1], parameters.margin_px),
        parameters.connectivity == 8,
    )
    shape = (pixels.shape[0], pixels.shape[1])
    if parameters.radius_px is not None:
        inside = is_searched(y, x, shape, parameters)
        y, x, island = y[inside], x[inside], island[inside]
    peaks = Peaks(
        *separate_peaks(
            pixels, background_grid, rms_grid, y, x, island, parameters.contrast_sigma,
            _CONTRAST_BEAMS * beam.major_px, MAX_NEIGHBOURS,
        )
    )  # fmt: skip
    settled = settle_secondary_peaks(
        pixels, peaks.y, peaks.x, peaks.background, peaks.rms,
        beam=beam, threshold_sigma=parameters.detection_threshold_sigma,
    )  # fmt: skip
    if settled is None:
        return peaks
    keep, at_y, at_x = settled
    is_moved = bool(np.any((at_y != peaks.y) | (at_x != peaks.x)))
    if is_moved:
        background, rms = _grids_at(background_grid, rms_grid, shape, at_y, at_x)
        peaks = Peaks(at_y, at_x, peaks.island, background, rms)
    peaks = peaks.select(keep)
    return peaks.select(np.lexsort([peaks.x, peaks.y])) if is_moved else peaks


def _grids_at(
    background_grid: FloatArray,
    rms_grid: FloatArray,
    shape: tuple[int, int],
    y: IntArray,
    x: IntArray,
) -> tuple[FloatArray, FloatArray]:
    """Return background and rms at pixels [Jy/beam]."""
    result = np.empty((2, y.size))
    grids_at(background_grid, rms_grid, shape, y, x, result)
    return result[0], result[1]


def is_searched(
    y: IntArray, x: IntArray, shape: tuple[int, int], parameters: FinderParameters
) -> npt.NDArray[np.bool_]:
    """Return which pixels lie in the part of an image that is searched.

    Parameters
    ----------
    y, x : (n,) int64
        Pixels.
    shape : (int, int)
        Rows and columns of the image.
    parameters : FinderParameters
        Margin, radius.
    """
    rows, columns = (searched_pixels(side, parameters.margin_px) for side in shape)
    inside = (y >= rows[0]) & (y < rows[1]) & (x >= columns[0]) & (x < columns[1])
    if parameters.radius_px is not None:
        centre_y, centre_x = (shape[0] - 1) / 2, (shape[1] - 1) / 2
        inside &= np.hypot(y - centre_y, x - centre_x) < parameters.radius_px
    return np.asarray(inside, np.bool_)


def neighbours_within(x: IntArray, y: IntArray, radius_px: float) -> IntArray:
    """Return (n, 8) indices of the nearest other peaks within the radius, nearest first; then -1.

    Parameters
    ----------
    x, y : (n,) int64
        Peaks in raster order [px].
    radius_px : float
        Search radius [px].
    """
    result = np.empty((x.size, MAX_NEIGHBOURS), np.int64)
    nearest_neighbours(y, x, radius_px, result)
    return result
