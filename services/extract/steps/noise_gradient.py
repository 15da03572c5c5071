"""Noise that rises towards the border of an image, as after the division by a primary beam."""

import numpy as np
import numpy.typing as npt

from services.extract.kernels.background import fill_blank_cells

__all__ = ["outward_rise", "raised_at_border"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_HIGHEST_RISE = 4.0


def outward_rise(rms: FloatArray) -> FloatArray:
    """Return how much noisier each cell at the border is than the cells behind it.

    Parameters
    ----------
    rms : (rows, columns) float64
        Noise of each cell [Jy/beam]; NaN where blank. The border is that of the image, and of
        blank cells.

    Returns
    -------
    (rows, columns) float64
        Ratio to the mean of those of the eight neighbours that are not at the border; NaN
        elsewhere and where there is none.
    """
    known = np.isfinite(rms)
    inner = known & (_sum_around(known.astype(np.float64)) == 9)
    n_behind = _sum_around(inner.astype(np.float64))
    behind = _sum_around(np.where(inner, rms, 0.0))
    ratio = np.full(rms.shape, np.nan)
    is_border = known & ~inner & (n_behind > 0)
    ratio[is_border] = rms[is_border] * n_behind[is_border] / behind[is_border]
    return ratio


def raised_at_border(rms: FloatArray, rise: FloatArray, *, to_edge: bool) -> FloatArray:
    """Return the noise of border cells at their outer edge, and that of blank cells beyond it.

    Between the centre of the outermost cell and the border nothing is interpolated: the noise of
    the centre would be too low there by half a step of a cell or more.

    Parameters
    ----------
    rms : (rows, columns) float64
        Noise of each cell [Jy/beam]; NaN where blank.
    rise : (rows, columns) float64
        As `outward_rise` returned it.
    to_edge : bool
        Half a cell further out; else a whole one, as the noise of a large cell is curved.

    Returns
    -------
    (rows, columns) float64
        Without NaN [Jy/beam].
    """
    known = np.isfinite(rms)
    factor = np.where(np.isfinite(rise), np.clip(rise, 1.0, _HIGHEST_RISE), 1.0)
    if to_edge:
        factor = np.sqrt(factor)
    beyond = fill_blank_cells(np.where(known, factor, np.nan))
    return fill_blank_cells(rms * factor) * np.where(known, 1.0, beyond)


def _sum_around(grid: FloatArray) -> FloatArray:
    """Return the sum over each cell and the eight around it; nothing is beyond the border."""
    rows, columns = grid.shape
    wide = np.zeros((rows + 2, columns + 2))
    wide[1:-1, 1:-1] = grid
    return np.asarray(sum(wide[y : y + rows, x : x + columns] for y in range(3) for x in range(3)))
