"""The background of crowded cells, measured again without the sources that were found."""

import numpy as np
import numpy.typing as npt

from services.extract.models import BeamShape, FinderParameters, FoundSources
from services.extract.steps.background import cell_shape, measure_levels
from services.extract.steps.noise_gradient import bilinear

__all__ = ["background_without_sources"]

FloatArray = npt.NDArray[np.float64]

# Sources from the first on crowd the pixels that they raise by the second [rms].
_LIMITS_SIGMA = 3.0, 0.1
# Pixels further than the first [rms] from the background are left out, with those about them where
# a beam exceeds exp(-2) of its peak: sources too faint to be found are among them.
_MARGIN = 2.8, 2.0
# The background without sources is lower: what is far from it is found once more.
_ROUNDS = 2
# Below the first share of raised pixels a cell keeps its background, from the second on it has
# that without sources; between them a part of it, so that no single source makes a step.
_CROWDED = 0.08, 0.11
# It also keeps its background if fewer of its pixels are left than the first share, and has all of
# the other from the second on.
_LEFT = 0.25, 0.5


def background_without_sources(
    pixels: npt.NDArray[np.float32],
    background_grid: FloatArray,
    rms_grid: FloatArray,
    found: FoundSources,
    *,
    beam: BeamShape,
    parameters: FinderParameters,
) -> FloatArray | None:
    """Return the grid of the background without sources where it is crowded; None if nowhere.

    Wings of sources stay below the clip of the background, which is too high by them. The noise
    stays as it is: it holds what neighbours add to errors.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank. Not modified.
    background_grid, rms_grid : (rows, columns) float64
        As `measure_background` returned them [Jy/beam].
    found : FoundSources
        The sources that were found with them, of either sign.
    beam : BeamShape
        The restoring beam.
    parameters : FinderParameters
        Cells and median filter of the background.
    """
    if not found.x.size:
        return None
    # A megabyte of machine code, of no use in images without sources.
    from services.extract.kernels.crowding import (  # noqa: PLC0415
        leave_out_sources,
        raised_shares,
    )

    shape = (pixels.shape[0], pixels.shape[1])
    cells = cell_shape(shape, parameters.background_cell_px, beam.mean_px)
    height = found.amplitude / found.rms_local
    sources = np.stack([found.x, found.y, height, found.major_px, found.minor_px], axis=1)
    shares = np.empty(cells)
    if raised_shares(sources, _LIMITS_SIGMA, shape, shares) <= _CROWDED[0]:
        return None
    crowded, level = _rise(shares, _CROWDED), background_grid
    rest, left = np.empty_like(pixels), np.empty(cells)
    for _ in range(_ROUNDS):
        leave_out_sources(pixels, level, rms_grid, beam.quadratic, _MARGIN, rest, left)
        without = measure_levels(rest, cells, parameters.median_filter_cells)
        if without is None:
            return None
        weight = crowded * _rise(left, _LEFT)
        if cells != rms_grid.shape:
            without, weight = (bilinear(each, rms_grid.shape) for each in (without, weight))
        level = background_grid + weight * (without * rms_grid - background_grid)
    return level


def _rise(values: FloatArray, limits: tuple[float, float]) -> FloatArray:
    """Return a ramp from 0 to 1 between two limits."""
    return np.clip((values - limits[0]) / (limits[1] - limits[0]), 0.0, 1.0)
