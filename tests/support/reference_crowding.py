"""Plain NumPy versions of the kernels of crowded cells."""

import math

import numpy as np
from scipy import ndimage

from tests.support.reference import grid_map

__all__ = ["raised_shares", "without_sources"]

Ellipse = tuple[float, float, float]


def raised_shares(
    sources: np.ndarray,
    limits: tuple[float, float],
    shape: tuple[int, int],
    cells: tuple[int, int],
) -> np.ndarray:
    """Return the share of pixels that sources raise in windows of 5 x 5 cells."""
    alone = np.zeros(cells)
    for x, y, height, major, minor in sources:
        if abs(height) >= limits[0]:
            at = int((y + 0.5) * cells[0] / shape[0]), int((x + 0.5) * cells[1] / shape[1])
            half_area = math.pi * major * minor / (4 * math.log(2))
            alone[at] += half_area * math.log(abs(height) / limits[1])
    window = np.ones((5, 5))
    total = ndimage.convolve(alone, window, mode="constant")
    count = ndimage.convolve(np.ones(cells), window, mode="constant")
    return total / count / (shape[0] * shape[1] / alone.size)


def exponents(shape: tuple[int, int], x: float, y: float, ellipse: Ellipse) -> np.ndarray:
    """Return a dx^2 + 2 b dx dy + c dy^2 at all pixels."""
    dy, dx = np.mgrid[: shape[0], : shape[1]].astype(float)
    dy, dx = dy - y, dx - x
    a, b, c = ellipse
    return a * dx * dx + 2 * b * dx * dy + c * dy * dy


def without_sources(
    pixels: np.ndarray,
    grids: tuple[np.ndarray, np.ndarray],
    beam: Ellipse,
    margin: tuple[float, float],
) -> np.ndarray:
    """Return pixels over their rms; NaN near what is far from the background."""
    shape = (pixels.shape[0], pixels.shape[1])
    mean, rms = (grid_map(grid, shape) for grid in grids)
    is_out = ~np.isfinite(pixels)
    is_far = np.abs(pixels - mean) > margin[0] * rms
    for y, x in np.argwhere(is_far):
        is_out |= exponents(shape, x, y, beam) <= margin[1]
    return np.where(is_out, np.nan, pixels / rms)
