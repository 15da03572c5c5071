"""Deblending: the peaks of an island that are separate sources."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from services.extract.kernels.grid_interpolation import grids_at
from services.extract.kernels.neighbours import nearest_neighbours

__all__ = ["drop_shallow_peaks", "separate_peaks"]


@njit(
    "void(float32[:, ::1], int64[::1], int64[::1], float64[::1], int64[:, ::1], float64,"
    " boolean[::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def drop_shallow_peaks(
    pixels: npt.NDArray[np.float32],
    peak_y: npt.NDArray[np.int64],
    peak_x: npt.NDArray[np.int64],
    rms: npt.NDArray[np.float64],
    neighbours: npt.NDArray[np.int64],
    contrast_sigma: float,
    keep: npt.NDArray[np.bool_],
) -> None:
    """Mark the peaks that are noise on the flank of a higher one.

    Two peaks are two sources if the image falls, on the straight line between them, by at least
    `contrast_sigma` below the lower one: noise makes peaks of one or two sigma on an extended
    source.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; blank pixels (NaN) on the line are ignored.
    peak_y, peak_x : (n,) int64
        Peak pixels.
    rms : (n,) float64
        At the peaks [Jy/beam].
    neighbours : (n, m) int64
        Peaks near each other; -1 ends the list.
    contrast_sigma : float
        Least depth of the saddle between two sources [local rms].
    keep : (n,) bool
        Out: False for peaks that are noise. Of equal peaks the first counts as the higher one.
    """
    for peak in range(peak_y.size):
        keep[peak] = True
        own = pixels[peak_y[peak], peak_x[peak]]
        for index in range(neighbours.shape[1]):
            other = neighbours[peak, index]
            if other < 0:
                break
            height = pixels[peak_y[other], peak_x[other]]
            if height < own or (height == own and other > peak):
                continue
            dy, dx = peak_y[other] - peak_y[peak], peak_x[other] - peak_x[peak]
            n_steps = max(abs(dy), abs(dx))
            lowest = own
            for step in range(1, n_steps):
                y = peak_y[peak] + math.floor(step * dy / n_steps + 0.5)
                x = peak_x[peak] + math.floor(step * dx / n_steps + 0.5)
                if pixels[y, x] < lowest:  # noqa: PLR1730  (a blank pixel is never lower)
                    lowest = pixels[y, x]
            if own - lowest < contrast_sigma * rms[peak]:
                keep[peak] = False
                break


@njit(
    "Tuple((int64[::1], int64[::1], int64[::1], float64[::1], float64[::1]))(float32[:, ::1],"
    " float64[:, ::1], float64[:, ::1], int64[::1], int64[::1], int64[::1], float64, float64,"
    " int64)",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def separate_peaks(
    pixels: npt.NDArray[np.float32],
    mean: npt.NDArray[np.float64],
    rms: npt.NDArray[np.float64],
    y: npt.NDArray[np.int64],
    x: npt.NDArray[np.int64],
    island: npt.NDArray[np.int64],
    contrast_sigma: float,
    radius_px: float,
    n_compared: int,
) -> tuple[
    npt.NDArray[np.int64],
    npt.NDArray[np.int64],
    npt.NDArray[np.int64],
    npt.NDArray[np.float64],
    npt.NDArray[np.float64],
]:
    """Return the peaks that are no noise on the flank of a higher one, with background and noise.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam].
    mean, rms : (rows, columns) float64
        Grids without NaN [Jy/beam].
    y, x, island : (n,) int64
        Peaks in raster order [px], and the number of the island of each.
    contrast_sigma : float
        As of `drop_shallow_peaks`; 0: all remain.
    radius_px : float
        Peaks so near are compared [px].
    n_compared : int
        How many of them at most.

    Returns
    -------
    y, x, island, background, rms : five (m,) arrays
        The peaks that remain [px], and what the grids are there [Jy/beam].
    """
    levels, keep = np.empty((2, y.size)), np.ones(y.size, np.bool_)
    grids_at(mean, rms, pixels.shape, y, x, levels)
    if contrast_sigma > 0.0 and y.size > 1:
        near = np.empty((y.size, n_compared), np.int64)
        nearest_neighbours(y, x, radius_px, near)
        drop_shallow_peaks(pixels, y, x, levels[1], near, contrast_sigma, keep)
    return y[keep], x[keep], island[keep], levels[0][keep], levels[1][keep]
