"""Find sources in an image and measure them in pixels."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from services.extract.errors import RejectedImageError
from services.extract.kernels.background import background_grid, fill_blank_cells
from services.extract.kernels.islands import find_peaks
from services.extract.kernels.measure import fit_beam, fit_gaussian
from services.extract.models import FinderParameters, FoundSources, QualityFlag
from sky.rms_grid import rms_at

__all__ = ["BeamShape", "find_sources", "measure_background"]

FloatArray = npt.NDArray[np.float64]

_LN2 = math.log(2.0)
# Pixels within the 60 % contour of the beam, and at least 3 x 3, enter the fit.
_FIT_CUTOFF = 0.6
_BLEND_SWEEPS = 8
_MAX_NEIGHBOURS = 8
_MIN_VALID_FRACTION = 0.2
_MAX_CLIPS = 50


@dataclass(frozen=True, slots=True)
class BeamShape:
    """The restoring beam in pixels.

    Parameters
    ----------
    major_px, minor_px : float
        FWHM [px].
    angle_rad : float
        Of the major axis, from +x towards +y [rad].
    """

    major_px: float
    minor_px: float
    angle_rad: float

    @property
    def quadratic(self) -> tuple[float, float, float]:
        """Return a, b, c of exp(-(a dx^2 + 2 b dx dy + c dy^2)) [1/px^2]."""
        along, across = 4 * _LN2 / self.major_px**2, 4 * _LN2 / self.minor_px**2
        cos, sin = math.cos(self.angle_rad), math.sin(self.angle_rad)
        return (
            along * cos**2 + across * sin**2,
            (along - across) * sin * cos,
            along * sin**2 + across * cos**2,
        )


def measure_background(
    pixels: npt.NDArray[np.float32], cell_px: int
) -> tuple[FloatArray, FloatArray]:
    """Return the grids of background and rms [Jy/beam], without blanks.

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
    # An rms of zero is a masked corner written as a constant, not a perfect receiver.
    unusable = ~(rms > 0)
    if np.all(unusable):
        raise RejectedImageError(
            "no_noise", "no part of the image has measurable noise: it is constant or blank"
        )
    mean[unusable], rms[unusable] = np.nan, np.nan
    return fill_blank_cells(mean), fill_blank_cells(rms)


def find_sources(
    pixels: npt.NDArray[np.float32], beam: BeamShape, parameters: FinderParameters
) -> FoundSources:
    """Find and measure all sources of an image.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank. Not modified.
    beam : BeamShape
        The restoring beam.
    parameters : FinderParameters
        Thresholds and cells.

    Returns
    -------
    FoundSources
        In raster order of their peaks: the same pixels give the same numbers.
    """
    mean, rms = measure_background(pixels, parameters.background_cell_px)
    y, x, island, _ = find_peaks(
        pixels,
        mean,
        rms,
        parameters.detection_threshold_sigma,
        parameters.analysis_threshold_sigma,
        parameters.margin_px,
    )
    shape = (pixels.shape[0], pixels.shape[1])
    local_mean, local_rms = rms_at(mean, shape, x, y), rms_at(rms, shape, x, y)
    fits = np.empty((y.size, 6))
    neighbours = _neighbours(x, y, 1.5 * beam.major_px)
    fit_beam(
        pixels, y, x, local_mean, neighbours, *beam.quadratic, _FIT_CUTOFF, _BLEND_SWEEPS, fits
    )
    keep = fits[:, 0] >= parameters.detection_threshold_sigma * local_rms * 0.999
    flags = _flags(fits, island, neighbours, x, y, shape)
    found = FoundSources(
        significance=fits[:, 0] / local_rms,
        amplitude=_without_peak_bias(fits[:, 0], local_rms),
        x=fits[:, 1],
        y=fits[:, 2],
        major_px=np.full(y.size, beam.major_px),
        minor_px=np.full(y.size, beam.minor_px),
        angle_rad=np.full(y.size, beam.angle_rad),
        rms_local=local_rms,
        quality_flags=flags,
        rms_grid=rms,
    )
    if not parameters.force_beam:
        found = _free_shapes(pixels, beam, parameters, found, x, y, local_mean)
    return _select(found, keep)


def _without_peak_bias(peak: FloatArray, rms: FloatArray) -> FloatArray:
    """Return amplitudes without what a fit gains by moving to the noise's own maximum.

    With noise whose autocorrelation is the beam, the slope of the noise has the covariance
    rms^2 C and the source the curvature A C, C the beam's; the maximum is higher by half the
    trace of (rms^2 C) / (A C) in two dimensions: rms^2 / A.
    """
    return np.asarray(peak - rms**2 / np.maximum(peak, rms), dtype=np.float64)


def _neighbours(
    x: npt.NDArray[np.int64], y: npt.NDArray[np.int64], radius_px: float
) -> npt.NDArray[np.int64]:
    """Return (n, 8) indices of the nearest other peaks within the radius, then -1."""
    result = np.full((x.size, _MAX_NEIGHBOURS), -1, np.int64)
    if x.size < 2:
        return result
    points = np.stack([x, y], axis=1).astype(np.float64)
    k = min(_MAX_NEIGHBOURS + 1, x.size)
    distance, index = cKDTree(points).query(points, k=k, distance_upper_bound=radius_px)
    for source in range(x.size):
        others = index[source][(index[source] != source) & np.isfinite(distance[source])]
        result[source, : others.size] = others[:_MAX_NEIGHBOURS]
    return result


def _flags(
    fits: FloatArray,
    island: npt.NDArray[np.int64],
    neighbours: npt.NDArray[np.int64],
    x: npt.NDArray[np.int64],
    y: npt.NDArray[np.int64],
    shape: tuple[int, int],
) -> npt.NDArray[np.int64]:
    rows, columns = shape
    _, inverse, counts = np.unique(island, return_inverse=True, return_counts=True)
    flags = np.zeros(x.size, np.int64)
    edge = (x < 2) | (y < 2) | (x >= columns - 2) | (y >= rows - 2)
    flags[edge] |= int(QualityFlag.EDGE)
    if x.size:
        flags[(counts[inverse] > 1) | (neighbours[:, 0] >= 0)] |= int(QualityFlag.BLENDED)
    flags[fits[:, 4] > 0] |= int(QualityFlag.BLANK_PIXELS)
    flags[fits[:, 5] == 0] |= int(QualityFlag.FIT_FAILED)
    return flags


def _free_shapes(
    pixels: npt.NDArray[np.float32],
    beam: BeamShape,
    parameters: FinderParameters,
    found: FoundSources,
    x: npt.NDArray[np.int64],
    y: npt.NDArray[np.int64],
    background: FloatArray,
) -> FoundSources:
    """Return the sources with fitted shapes; where a fit fails the beam's stays, flagged."""
    half = math.ceil(1.5 * beam.major_px)
    columns = np.stack(
        [found.amplitude, found.x, found.y, found.major_px, found.minor_px, found.angle_rad]
    )
    flags = found.quality_flags.copy()
    for source in range(x.size):
        fit = np.array([*columns[:3, source], *beam.quadratic])
        floor = parameters.analysis_threshold_sigma * found.rms_local[source]
        if fit_gaussian(
            pixels, int(y[source]), int(x[source]), float(background[source]), float(floor),
            half, fit,
        ):  # fmt: skip
            columns[:3, source] = fit[:3]
            columns[3:, source] = _axes(*fit[3:])
            if columns[3, source] * columns[4, source] > 1.5 * beam.major_px * beam.minor_px:
                flags[source] |= int(QualityFlag.EXTENDED)
        else:
            flags[source] |= int(QualityFlag.FIT_FAILED)
    amplitude, x_fit, y_fit, major_px, minor_px, angle_rad = columns
    return FoundSources(
        found.significance, amplitude, x_fit, y_fit, major_px, minor_px, angle_rad,
        found.rms_local, flags, found.rms_grid,
    )  # fmt: skip


def _axes(a: float, b: float, c: float) -> tuple[float, float, float]:
    """Return major and minor FWHM [px] and the major axis's angle [rad] of a quadratic form."""
    middle, half = (a + c) / 2, math.hypot((a - c) / 2, b)
    major, minor = math.sqrt(4 * _LN2 / (middle - half)), math.sqrt(4 * _LN2 / (middle + half))
    return major, minor, 0.5 * math.atan2(-2 * b, c - a)


def _select(found: FoundSources, keep: npt.NDArray[np.bool_]) -> FoundSources:
    return FoundSources(
        found.significance[keep],
        found.amplitude[keep],
        found.x[keep],
        found.y[keep],
        found.major_px[keep],
        found.minor_px[keep],
        found.angle_rad[keep],
        found.rms_local[keep],
        found.quality_flags[keep],
        found.rms_grid,
    )
