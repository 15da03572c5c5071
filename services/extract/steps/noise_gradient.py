"""Noise that changes steeply over an image, as after the division by a primary beam.

A quadratic surface of the logarithm of the noise: that of a Gaussian primary beam is one.
"""

import math
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from services.extract.kernels.around import rise_and_range
from services.extract.kernels.noise_surface import N_TERMS, fit_surface
from sky.elementary_functions import exp

__all__ = ["NoiseSurface", "bilinear", "divided", "steep_noise"]

FloatArray = npt.NDArray[np.float64]

# Three border cells of four are so many times as noisy as those behind them: a bright source
# raises few, and of even noise the median is 1.1 at most.
_STEEP, _STEEP_SHARE = 1.3, 0.25
# Or the surface rises so many times, that of even noise 1.7 times at most; and cells scatter about
# it by less than this share of its logarithm.
_LEAST_RISE, _MOST_SCATTER = 3.0, 0.25
# Cells that say enough about a surface; of more only every second, third ... is asked.
_MOST_CELLS = 400
# Largest step of the logarithm between cells that are interpolated, and most parts of a cell.
_LARGEST_STEP, _MOST_PARTS = 0.25, 8
# The surface may rise so far (logarithm) beyond the outermost pixels.
_BEYOND = 0.2
# What is interpolated at once is small beside an image of many rows.
_ROWS_AT_ONCE = 128


@dataclass(frozen=True, slots=True)
class NoiseSurface:
    """Logarithm of the noise: a quadratic polynomial of x and y, both from -1 to 1 in the image.

    Parameters
    ----------
    coefficients : (6,) float64
        Of 1, x, y, x^2, x y, y^2.
    scatter : float
        Robust standard deviation of the cells about it.
    """

    coefficients: FloatArray
    scatter: float

    @classmethod
    def of(cls, rms: FloatArray) -> Self | None:
        """Fit the cells of a grid; None if they are too few.

        Parameters
        ----------
        rms : (rows, columns) float64
            Noise of each cell; NaN where blank.
        """
        every = math.ceil(math.sqrt(rms.size / _MOST_CELLS))
        coefficients = np.empty(N_TERMS)
        scatter = fit_surface(rms, every, coefficients)
        return None if math.isnan(scatter) else cls(coefficients, scatter)

    def corrected(self, ratio: FloatArray) -> Self:
        """Return it with the surface of what the noise is in units of it: (rows, columns)."""
        other = self.of(ratio)
        if other is None:
            return self
        return replace(self, coefficients=self.coefficients + other.coefficients)

    def log_noise(self, shape: tuple[int, ...]) -> FloatArray:
        """Return it at the centres of the cells of a grid: (rows, columns) float64."""
        return _sum(_terms(*_centres(shape)), self.coefficients)

    def steepest(self, known: npt.NDArray[np.bool_]) -> float:
        """Return its largest step from a cell of a grid to the next, where cells are known."""
        x, y = _centres(known.shape)
        _, a, b, c, d, e = self.coefficients
        along_x = np.abs(a + 2 * c * x + d * y) * (2 / known.shape[1])
        along_y = np.abs(b + d * x + 2 * e * y) * (2 / known.shape[0])
        return float(np.max(np.maximum(along_x, along_y)[known]))

    def noise_at_parts(self, rms: FloatArray, pixels: npt.NDArray[np.float32]) -> FloatArray:
        """Return the noise at cells so small that it is nearly linear between them.

        Parameters
        ----------
        rms : (rows, columns) float64
            The grid that it was fitted to; its cells are divided.
        pixels : (ny, nx) float32
            Image; NaN is blank: where nothing is seen, nothing exceeds what is seen by much.
        """
        n_parts = math.ceil(self.steepest(np.isfinite(rms)) / _LARGEST_STEP)
        n_parts = min(max(n_parts, 1), _MOST_PARTS)
        shape = rms.shape[0] * n_parts, rms.shape[1] * n_parts
        values = self.log_noise(shape)
        y, x = (
            ((np.arange(n) + 0.5) * size / n).astype(np.int64)
            for n, size in zip(shape, pixels.shape, strict=True)
        )
        seen = values[np.isfinite(pixels[y][:, x])]
        if seen.size:
            values = np.clip(values, seen.min(), seen.max() + _BEYOND)
        return exp(values)


def steep_noise(rms: FloatArray) -> NoiseSurface | None:
    """Return the surface of noise that is too steep for cells that are interpolated, else None.

    Parameters
    ----------
    rms : (rows, columns) float64
        Noise of each cell [Jy/beam]; NaN where blank.
    """
    rise, lowest, highest = rise_and_range(rms, _STEEP_SHARE)
    rises_at_border = rise > _STEEP
    if not rises_at_border and not highest > _LEAST_RISE * lowest:
        return None
    surface = NoiseSurface.of(rms)
    if surface is None or rises_at_border:
        return surface
    known = np.isfinite(rms)
    rise = float(np.ptp(surface.log_noise(rms.shape)[known]))
    is_smooth = surface.scatter < _MOST_SCATTER * rise
    is_steep = rise > math.log(_LEAST_RISE) and surface.steepest(known) > math.log(_STEEP)
    return surface if is_smooth and is_steep else None


def bilinear(grid: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Return a grid of cells at every pixel of an image, as `sky.rms_grid.rms_at` does.

    Parameters
    ----------
    grid : (rows, columns) float64
        Values at the cell centres.
    shape : (int, int)
        Rows and columns of the image [px].
    """
    return _rows_between(_columns_between(grid, shape[1]), shape[0], slice(None))


def divided(pixels: npt.NDArray[np.float32], grid: FloatArray) -> npt.NDArray[np.float32]:
    """Return an image divided by a grid, some rows at a time: (ny, nx) float32.

    Parameters
    ----------
    pixels : (ny, nx) float32
        NaN is blank, and stays.
    grid : (rows, columns) float64
        Values at the cell centres.
    """
    across = _columns_between(grid, pixels.shape[1])
    quotient = np.empty_like(pixels)
    for begin in range(0, len(pixels), _ROWS_AT_ONCE):
        rows = slice(begin, begin + _ROWS_AT_ONCE)
        quotient[rows] = pixels[rows] / _rows_between(across, len(pixels), rows)
    return quotient


def _columns_between(grid: FloatArray, n_pixels: int) -> FloatArray:
    before, after, share = _between(n_pixels, grid.shape[1])
    return grid[:, before] * (1 - share) + grid[:, after] * share


def _rows_between(grid: FloatArray, n_pixels: int, rows: slice) -> FloatArray:
    before, after, share = (each[rows] for each in _between(n_pixels, grid.shape[0]))
    share = share[:, np.newaxis]
    return grid[before] * (1 - share) + grid[after] * share


def _between(
    n_pixels: int, n_cells: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], FloatArray]:
    """Return the cells before and after each pixel of an axis, and the share of the latter."""
    place = np.clip((np.arange(n_pixels) + 0.5) * n_cells / n_pixels - 0.5, 0.0, n_cells - 1.0)
    before = place.astype(np.int64)
    return before, np.minimum(before + 1, n_cells - 1), place - before


def _centres(shape: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
    """Return x and y of the cells of a grid, -1 to 1 from border to border."""
    y, x = ((2 * np.arange(n) + 1) / n - 1 for n in shape)
    return np.broadcast_to(x, shape), np.broadcast_to(y[:, np.newaxis], shape)


def _terms(x: FloatArray, y: FloatArray) -> FloatArray:
    return np.stack([np.ones(x.shape), x, y, x * x, x * y, y * y])


def _sum(terms: FloatArray, coefficients: FloatArray) -> FloatArray:
    total = np.zeros(terms.shape[1:])
    for term, coefficient in zip(terms, coefficients.tolist(), strict=True):
        total += coefficient * term
    return total
