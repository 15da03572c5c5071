"""The local rms at any pixel of an image, interpolated in its stored grid."""

import numpy as np
import numpy.typing as npt

__all__ = ["rms_at", "rms_bounds_at"]

FloatArray = npt.NDArray[np.float64]


def _nodes(
    pixels: npt.ArrayLike, n_pixels: int, n_cells: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], FloatArray]:
    """Return the cell before, the cell after and the fraction between their centres.

    Cells divide the axis into equal parts; outside the outermost centres the grid is flat.
    """
    node = (np.asarray(pixels, np.float64) + 0.5) * n_cells / n_pixels - 0.5
    node = np.fmin(np.fmax(node, 0.0), n_cells - 1.0)
    before = node.astype(np.int64)
    return before, np.minimum(before + 1, n_cells - 1), node - before


def _is_inside(
    shape: tuple[int, int], x: npt.ArrayLike, y: npt.ArrayLike
) -> npt.NDArray[np.bool_]:
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    rows, columns = shape
    inside: npt.NDArray[np.bool_] = (
        (x >= -0.5) & (x <= columns - 0.5) & (y >= -0.5) & (y <= rows - 0.5)
    )
    return inside


def rms_at(
    grid: FloatArray, shape: tuple[int, int], x: npt.ArrayLike, y: npt.ArrayLike
) -> FloatArray:
    """Return the local rms at pixels, bilinear between cell centres.

    Parameters
    ----------
    grid : (rows, columns) float64
        Rms at the cell centres [Jy/beam].
    shape : (int, int)
        Rows and columns of the image [px].
    x, y : (n,) array_like
        Pixels, 0-based [px].

    Returns
    -------
    (n,) float64
        Rms [Jy/beam]; NaN outside the image.
    """
    left, right, u = _nodes(x, shape[1], grid.shape[1])
    low, high, v = _nodes(y, shape[0], grid.shape[0])
    below = grid[low, left] * (1 - u) + grid[low, right] * u
    above = grid[high, left] * (1 - u) + grid[high, right] * u
    return np.where(_is_inside(shape, x, y), below * (1 - v) + above * v, np.nan)


def rms_bounds_at(
    grid: FloatArray, shape: tuple[int, int], x: npt.ArrayLike, y: npt.ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Return the smallest and the largest rms of the cells around pixels [Jy/beam].

    NaN outside the image. Parameters as of `rms_at`.
    """
    left, right, _ = _nodes(x, shape[1], grid.shape[1])
    low, high, _ = _nodes(y, shape[0], grid.shape[0])
    corners = np.stack([grid[low, left], grid[low, right], grid[high, left], grid[high, right]])
    inside = _is_inside(shape, x, y)
    return (
        np.where(inside, corners.min(axis=0), np.nan),
        np.where(inside, corners.max(axis=0), np.nan),
    )
