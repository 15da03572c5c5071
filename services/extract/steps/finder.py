"""Detect sources and fit them in pixel coordinates."""

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from schemas.quality import QualityFlag
from services.extract.kernels.free_gaussian import fit_gaussian
from services.extract.kernels.measure import fit_beam
from services.extract.kernels.residuals import compare_with_beam
from services.extract.models import BeamShape, FinderParameters, FoundSources
from services.extract.steps.peaks import Peaks, find_source_peaks, neighbours_within

__all__ = ["find_sources"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_LN2 = math.log(2.0)
# Pixels within the 60 % contour of the beam, and at least 3 x 3, enter the fit.
_FIT_CUTOFF = 0.6
_BLEND_SWEEPS = 8
_BLEND_BEAMS = 1.5
# The shape is compared with the beam within its 20 % contour.
_SHAPE_CUTOFF = 0.2
_EXTENDED_GROWTH, _EXTENDED_SIGMA = 1.25, 3.0
# A source this many times brighter, this many beams away: its side lobes may be detected.
_BRIGHT_RATIO, _BRIGHT_BEAMS = 100.0, 10.0


def find_sources(
    pixels: npt.NDArray[np.float32],
    background_grid: FloatArray,
    rms_grid: FloatArray,
    beam: BeamShape,
    parameters: FinderParameters,
    peaks: Peaks | None = None,
) -> FoundSources:
    """Detect and measure all sources of an image.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank. Not modified.
    background_grid, rms_grid : (rows, columns) float64
        As `measure_background` returned them [Jy/beam].
    beam : BeamShape
        The restoring beam.
    parameters : FinderParameters
        Settings of the finder.
    peaks : Peaks or None
        Peaks of another image with the same pixels: all are measured. None: detect them here.

    Returns
    -------
    FoundSources
        In raster order of their peaks: the same pixels give the same numbers.
    """
    least_sigma = 0.0 if peaks is not None else 0.999 * parameters.detection_threshold_sigma
    if peaks is None:
        peaks = find_source_peaks(pixels, background_grid, rms_grid, beam, parameters)
    neighbours = neighbours_within(peaks.x, peaks.y, _BLEND_BEAMS * beam.major_px)
    fits = np.empty((peaks.y.size, 6))
    fit_beam(
        pixels, peaks.y, peaks.x, peaks.background, neighbours, *beam.quadratic,
        _FIT_CUTOFF, _BLEND_SWEEPS, fits,
    )  # fmt: skip
    residuals = np.empty((peaks.y.size, 4))
    compare_with_beam(
        pixels, peaks.background, peaks.rms, fits, neighbours, *beam.quadratic,
        _SHAPE_CUTOFF, residuals,
    )  # fmt: skip
    amplitude = _without_peak_bias(fits[:, 0], peaks.rms)
    found = FoundSources(
        significance=fits[:, 0] / peaks.rms,
        amplitude=amplitude,
        x=fits[:, 1],
        y=fits[:, 2],
        major_px=np.full_like(amplitude, beam.major_px),
        minor_px=np.full_like(amplitude, beam.minor_px),
        angle_rad=np.full_like(amplitude, beam.angle_rad),
        rms_local=peaks.rms,
        chi2_reduced=residuals[:, 0] / np.maximum(residuals[:, 1], 1),
        is_free=np.zeros(amplitude.size, np.bool_),
        quality_flags=_flags(fits, residuals, peaks, neighbours, beam, pixels.shape),
    )
    if not parameters.force_beam:
        found = _free_shapes(pixels, beam, parameters, found, peaks)
    return found.select(fits[:, 0] >= least_sigma * peaks.rms)


def _without_peak_bias(peak: FloatArray, rms: FloatArray) -> FloatArray:
    """Return amplitudes corrected for the bias of fitting at a maximum of source and noise.

    With noise whose autocorrelation is the beam, the slope of the noise has the covariance
    rms^2 C and the source the curvature A C, C the beam's; the maximum is higher by half the
    trace of (rms^2 C) / (A C) in two dimensions: rms^2 / A.
    """
    return np.asarray(peak - rms**2 / np.maximum(peak, rms), dtype=np.float64)


def _flags(
    fits: FloatArray,
    residuals: FloatArray,
    peaks: Peaks,
    neighbours: IntArray,
    beam: BeamShape,
    shape: tuple[int, ...],
) -> IntArray:
    rows, columns = shape
    x, y = peaks.x, peaks.y
    flags = np.zeros(x.size, np.int64)
    if not x.size:
        return flags
    _, inverse, counts = np.unique(peaks.island, return_inverse=True, return_counts=True)
    edge = (x < 2) | (y < 2) | (x >= columns - 2) | (y >= rows - 2)
    flags[edge] |= int(QualityFlag.EDGE)
    flags[(counts[inverse] > 1) | (neighbours[:, 0] >= 0)] |= int(QualityFlag.BLENDED)
    flags[fits[:, 4] > 0] |= int(QualityFlag.BLANK_PIXELS)
    flags[fits[:, 5] == 0] |= int(QualityFlag.FIT_FAILED)
    flags[_is_extended(fits, residuals, peaks, beam)] |= int(QualityFlag.EXTENDED)
    flags[_is_near_bright(fits[:, 0], x, y, beam)] |= int(QualityFlag.NEAR_BRIGHT)
    return flags


def _is_extended(
    fits: FloatArray, residuals: FloatArray, peaks: Peaks, beam: BeamShape
) -> npt.NDArray[np.bool_]:
    """Return whether the flux around the peak exceeds that of the beam's shape.

    The error of a sum over n pixels whose noise the beam correlates is below
    rms sqrt(n times the beam's area).
    """
    _, used, growth, expected = residuals.T
    with np.errstate(divide="ignore", invalid="ignore"):
        growth_err = peaks.rms * np.sqrt(used * beam.area_px) / (fits[:, 0] * expected)
        is_significant = growth - 1 > _EXTENDED_SIGMA * growth_err
    return np.asarray(is_significant & (growth > _EXTENDED_GROWTH), dtype=np.bool_)


def _is_near_bright(
    peak: FloatArray, x: IntArray, y: IntArray, beam: BeamShape
) -> npt.NDArray[np.bool_]:
    """Return whether a much brighter source is near, whose side lobes may be detected."""
    result = np.zeros(peak.size, np.bool_)
    bright = np.flatnonzero(peak > _BRIGHT_RATIO * peak.min())
    if bright.size:
        points = np.stack([x, y], axis=1).astype(np.float64)
        around = cKDTree(points).query_ball_point(points[bright], _BRIGHT_BEAMS * beam.major_px)
        for index, others in zip(bright, around, strict=True):
            near = np.asarray(others, np.int64)
            result[near[peak[near] * _BRIGHT_RATIO < peak[index]]] = True
    return result


def _free_shapes(
    pixels: npt.NDArray[np.float32],
    beam: BeamShape,
    parameters: FinderParameters,
    found: FoundSources,
    peaks: Peaks,
) -> FoundSources:
    """Return the sources with fitted shapes; where a fit fails it keeps the beam's and a flag."""
    half = math.ceil(1.5 * beam.major_px)
    columns = np.stack(
        [found.amplitude, found.x, found.y, found.major_px, found.minor_px, found.angle_rad]
    )
    flags, is_free = found.quality_flags.copy(), found.is_free.copy()
    for source in range(peaks.x.size):
        fit = np.array([*columns[:3, source], *beam.quadratic])
        floor = parameters.analysis_threshold_sigma * found.rms_local[source]
        if fit_gaussian(
            pixels, int(peaks.y[source]), int(peaks.x[source]),
            float(peaks.background[source]), float(floor), half, fit,
        ):  # fmt: skip
            columns[:3, source] = fit[:3]
            columns[3:, source] = _axes(*fit[3:])
            is_free[source] = True
            if columns[3, source] * columns[4, source] > 1.5 * beam.major_px * beam.minor_px:
                flags[source] |= int(QualityFlag.EXTENDED)
        else:
            flags[source] |= int(QualityFlag.FIT_FAILED)
    amplitude, x_fit, y_fit, major_px, minor_px, angle_rad = columns
    return replace(
        found, amplitude=amplitude, x=x_fit, y=y_fit, major_px=major_px, minor_px=minor_px,
        angle_rad=angle_rad, quality_flags=flags, is_free=is_free,
    )  # fmt: skip


def _axes(a: float, b: float, c: float) -> tuple[float, float, float]:
    """Return major and minor FWHM [px] and the major axis's angle [rad] of a quadratic form."""
    middle, half = (a + c) / 2, math.hypot((a - c) / 2, b)
    major, minor = math.sqrt(4 * _LN2 / (middle - half)), math.sqrt(4 * _LN2 / (middle + half))
    return major, minor, 0.5 * math.atan2(-2 * b, c - a)
