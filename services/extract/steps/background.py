"""The grids of background and noise of an image."""

import numpy as np
import numpy.typing as npt

from schemas.reasons import ImageReason
from services.extract.errors import RejectedImageError
from services.extract.kernels.around import partly_blank_above_around
from services.extract.kernels.background import background_grid, fill_blank_cells
from services.extract.steps.noise_gradient import NoiseSurface, bilinear, divided, steep_noise

__all__ = ["cell_shape", "measure_background", "measure_levels"]

FloatArray = npt.NDArray[np.float64]

_MIN_VALID_FRACTION = 0.2
_MAX_CLIPS = 50
# A cell whose rms is so many times that of others may be full of a source.
_FULL_RATIO = 2.0
# Beams across a cell: with fewer the brightest sources are taken for noise.
_LEAST_BEAMS = 3.5
# Of a normal distribution so much lies below its mean minus its standard deviation.
_BELOW_1_SIGMA = 0.1587


def measure_background(
    pixels: npt.NDArray[np.float32],
    cell_px: float,
    median_filter_cells: int = 1,
    *,
    beam_px: float = 0.0,
) -> tuple[FloatArray, FloatArray]:
    """Return the grids of background and rms [Jy/beam]; blank cells are filled from neighbours.

    Where the noise changes steeply, as after the division by a primary beam, a surface is fitted
    to that of the cells, and the cells are measured again in the image divided by it: the grids
    then have several parts of each cell.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    cell_px : int
        Approximate side of a cell: cells divide the image into equal parts [px].
    median_filter_cells : int
        Side of the window of the median filter [cells]; 1: no filter.
    beam_px : float
        Geometric mean of the axes (FWHM) of the restoring beam [px]: a cell has several of it,
        else it would take a source for noise.

    Raises
    ------
    RejectedImageError
        Code ``no_noise`` if the noise cannot be measured anywhere.
    """
    shape = cell_shape(pixels.shape, cell_px, beam_px)
    mean, rms = _measure_cells(pixels, shape)
    surface = steep_noise(rms)
    if surface is None:
        return _completed(mean, median_filter_cells), _completed(rms, median_filter_cells)
    steep, mean, rms = _measure_steep(pixels, shape, rms, surface)
    mean, rms = (_completed(grid, median_filter_cells) for grid in (mean, rms))
    return bilinear(mean, steep.shape) * steep, bilinear(rms, steep.shape) * steep


def cell_shape(shape: tuple[int, ...], cell_px: float, beam_px: float) -> tuple[int, int]:
    """Return the rows and columns of cells of an image.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the image [px].
    cell_px, beam_px : float
        As of `measure_background`.
    """
    side = max(cell_px, _LEAST_BEAMS * beam_px)
    return max(1, round(shape[0] / side)), max(1, round(shape[1] / side))


def measure_levels(
    pixels: npt.NDArray[np.float32], shape: tuple[int, int], median_filter_cells: int
) -> FloatArray | None:
    """Return the background alone, in cells; None if no cell has enough pixels.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image; what is not finite is left out.
    shape : (int, int)
        Rows and columns of cells.
    median_filter_cells : int
        As of `measure_background`.
    """
    mean, rms = np.empty(shape), np.empty(shape)
    n_known = background_grid(pixels, _min_pixels(pixels, shape), _MAX_CLIPS, mean, rms)
    return _completed(mean, median_filter_cells) if n_known else None


def _min_pixels(pixels: npt.NDArray[np.float32], shape: tuple[int, int]) -> int:
    """Return how many pixels of a cell say enough about it."""
    return max(2, int(_MIN_VALID_FRACTION * (pixels.size / (shape[0] * shape[1]))))


def _measure_steep(
    pixels: npt.NDArray[np.float32],
    shape: tuple[int, int],
    rms: FloatArray,
    surface: NoiseSurface,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the noise of a surface at parts of the cells, and what the cells are in units of it.

    In the cells as they are the noisiest pixels count most: the surface is corrected once.
    """
    steep, mean = rms, rms
    for _ in range(2):
        steep = surface.noise_at_parts(rms, pixels)
        mean, ratio = _measure_cells(divided(pixels, steep), shape)
        surface = surface.corrected(ratio)
    return steep, mean, ratio


def _completed(grid: FloatArray, median_filter_cells: int) -> FloatArray:
    """Return a grid whose blank cells are filled, and which is smoothed if wanted."""
    grid = fill_blank_cells(grid)
    if median_filter_cells > 1:
        from scipy.ndimage import median_filter  # noqa: PLC0415  (slow to import, rarely used)

        grid = median_filter(grid, median_filter_cells, mode="nearest")
    return grid


def _measure_cells(
    pixels: npt.NDArray[np.float32], shape: tuple[int, int]
) -> tuple[FloatArray, FloatArray]:
    """Return background and rms of cells of one size [Jy/beam]; NaN where they are blank."""
    mean, rms = np.empty(shape), np.empty(shape)
    if background_grid(pixels, _min_pixels(pixels, shape), _MAX_CLIPS, mean, rms) == 0:
        raise RejectedImageError(
            ImageReason.NO_NOISE,
            "no part of the image has measurable noise: it is constant or blank",
        )
    _correct_full_cells(pixels, mean, rms)
    return mean, rms


def _correct_full_cells(
    pixels: npt.NDArray[np.float32], mean: FloatArray, rms: FloatArray
) -> None:
    """Give cells that are partly blank, the rest full of a source, the noise of other cells.

    What is left of such a cell may be smaller than the source: clipping then takes the source
    for noise. Noise that rises towards a border has as many pixels far below the background as
    above, and stays as it is.
    """
    cells = partly_blank_above_around(pixels, rms, _FULL_RATIO)
    if not cells.size:
        return
    rows, columns = cells.T
    of_others = []
    for grid in (mean, rms):
        others = grid.copy()
        others[rows, columns] = np.nan
        of_others.append(fill_blank_cells(others)[rows, columns])
    for cell, level, noise in zip(cells.tolist(), *of_others, strict=True):
        seen = _pixels_of(pixels, cell, rms.shape)
        below = level - np.sort(seen)[int(_BELOW_1_SIGMA * seen.size)]
        at_most = max(float(noise), float(below))
        if rms[*cell] > _FULL_RATIO * at_most:
            mean[*cell], rms[*cell] = level, at_most


def _pixels_of(
    pixels: npt.NDArray[np.float32], cell: list[int], shape: tuple[int, ...]
) -> npt.NDArray[np.float32]:
    """Return the pixels of a cell that are not blank."""
    y, x = (
        slice(at * n_pixels // n_cells, (at + 1) * n_pixels // n_cells)
        for at, n_pixels, n_cells in zip(cell, pixels.shape, shape, strict=True)
    )
    return pixels[y, x][np.isfinite(pixels[y, x])]
