"""Detect sources and fit them in pixel coordinates."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from schemas.quality import QualityFlag
from services.extract.models import BeamShape, FinderParameters, FoundSources, axes_of
from services.extract.steps.artefacts import false_probability, is_within, without_detected
from services.extract.steps.free_shapes import FreeShapes, fit_free_shapes
from services.extract.steps.peaks import Peaks, find_source_peaks
from services.extract.steps.points import Points, compare, exceeds_beam, fit_points
from services.extract.steps.residual_sources import with_residual_sources
from services.extract.steps.sampling import is_coarse, position_covariance

__all__ = ["find_sources"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# Reduced chi-square of a point source within the 20 % contour for noise whose autocorrelation is
# the beam: the eigenvalues of the covariance of its residuals give mean and degrees of freedom.
_CHI2_MEAN, _CHI2_FREEDOM, _CHI2_FREEDOM_PER_AREA = 0.342, 6.4, 3.2
_ONE_IN_A_MILLION_SIGMA = 4.75
# Of the peak: no real beam is a Gaussian exactly.
_MODEL_ERR = 0.01
# A source this many times brighter, this many beams away: its side lobes may be detected.
_BRIGHT_RATIO, _BRIGHT_BEAMS = 100.0, 10.0
_LIKELY_FALSE = 0.5
# A fit so near to the border of an image may miss pixels of the source.
_EDGE_PX = 2
_NOWHERE = np.empty((0, 2))


def find_sources(
    pixels: npt.NDArray[np.float32],
    background_grid: FloatArray,
    rms_grid: FloatArray,
    beam: BeamShape,
    parameters: FinderParameters,
    peaks: Peaks | None = None,
    *,
    bright_px: FloatArray = _NOWHERE,
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
    bright_px : (m, 2) float64
        x, y of bright sources whose side lobes may be here; they may lie outside the image.

    Returns
    -------
    FoundSources
        In raster order of their peaks: the same pixels give the same numbers.
    """
    if peaks is not None:
        least_sigma, fitted = 0.0, fit_points(pixels, peaks, beam)
        residuals = compare(pixels, fitted, fitted.models)
    else:
        least_sigma = 0.999 * parameters.detection_threshold_sigma
        peaks = find_source_peaks(pixels, background_grid, rms_grid, beam, parameters)
        fitted = fit_points(pixels, peaks, beam)
        fitted, residuals = with_residual_sources(pixels, fitted, beam, parameters)
    peaks, fits = fitted.peaks, fitted.fits
    shapes, residuals = _fit_shapes(pixels, fitted, residuals, beam, parameters)
    significance = fits[:, 0] / peaks.rms
    bright_px = without_detected(bright_px, peaks, beam)
    p_false = false_probability(
        pixels, background_grid, rms_grid, beam, parameters,
        peaks=peaks, significance=significance, bright_px=bright_px,
    )  # fmt: skip
    flags = _flags(fitted, shapes, beam, pixels.shape)
    is_lobe = p_false >= _LIKELY_FALSE
    is_lobe |= is_within(peaks, bright_px, _BRIGHT_BEAMS * beam.major_px)
    flags[is_lobe] |= int(QualityFlag.NEAR_BRIGHT)
    points = _to_points(fits, peaks, beam, flags, significance, p_false)
    found = _with_poor_fits(_with_shapes(points, shapes, peaks, beam), points, residuals)
    is_source = (fits[:, 0] >= least_sigma * peaks.rms) & ~shapes.is_part
    return found if is_source.all() else found.select(is_source)


def _fit_shapes(
    pixels: npt.NDArray[np.float32],
    points: Points,
    residuals: FloatArray,
    beam: BeamShape,
    parameters: FinderParameters,
) -> tuple[FreeShapes, FloatArray]:
    """Fit free shapes where they are asked for or needed; return also what they leave."""
    shapes = fit_free_shapes(
        pixels, points.peaks, points.models, beam,
        is_candidate=exceeds_beam(points, residuals),
        threshold_sigma=parameters.detection_threshold_sigma,
        only_extended=parameters.force_beam,
    )  # fmt: skip
    if shapes.is_free.any():
        residuals = compare(pixels, points, shapes.models)
    return shapes, residuals


def _to_points(
    fits: FloatArray,
    peaks: Peaks,
    beam: BeamShape,
    quality_flags: IntArray,
    significance: FloatArray,
    p_false: FloatArray,
) -> FoundSources:
    """Return the sources with the beam's shape, not compared with anything yet."""
    amplitude = _without_peak_bias(fits, peaks.rms, beam)
    # That of the fit: the beam at the peak, not at the fitted position.
    major_px, minor_px, angle_rad = beam.axes(peaks.x.astype(float), peaks.y.astype(float))
    return FoundSources(
        significance=significance,
        amplitude=amplitude,
        x=fits[:, 1].copy(),
        y=fits[:, 2].copy(),
        major_px=major_px,
        minor_px=minor_px,
        angle_rad=angle_rad,
        rms_local=peaks.rms,
        chi2_reduced=np.zeros_like(amplitude),
        p_false=p_false,
        is_free=np.zeros(amplitude.size, np.bool_),
        quality_flags=quality_flags,
    )


def _with_poor_fits(
    found: FoundSources, points: FoundSources, residuals: FloatArray
) -> FoundSources:
    """Return the sources with their chi-square, and a flag where it is beyond its distribution.

    In noise that the beam correlates it is distributed like `_CHI2_MEAN` times a chi-square over
    its degrees of freedom, for a source of the beam's shape; for a larger one the mean tends to 1,
    and the degrees of freedom grow with the area.
    """
    chi2_reduced = residuals[:, 0] / np.maximum(residuals[:, 1], 1)
    area = found.major_px * found.minor_px / (points.major_px * points.minor_px)
    freedom = np.maximum(_CHI2_FREEDOM, _CHI2_FREEDOM_PER_AREA * area)
    mean = np.where(found.is_free, 1.0, _CHI2_MEAN)
    snr = np.abs(found.amplitude) / found.rms_local
    limit = mean * _chi2_limit(freedom) + (_MODEL_ERR * snr) ** 2
    flags = found.quality_flags | np.where(chi2_reduced > limit, int(QualityFlag.POOR_FIT), 0)
    return replace(found, chi2_reduced=chi2_reduced, quality_flags=flags)


def _chi2_limit(freedom: FloatArray) -> FloatArray:
    """Return the reduced chi-square that is exceeded by chance once in a million.

    References
    ----------
    Wilson & Hilferty (1931), PNAS 17, 684.
    """
    spread = 2 / (9 * freedom)
    root = 1 - spread + _ONE_IN_A_MILLION_SIGMA * np.sqrt(spread)
    return np.asarray(root * root * root)


def _without_peak_bias(models: FloatArray, rms: FloatArray, beam: BeamShape) -> FloatArray:
    """Return amplitudes corrected for the bias of fitting at a maximum of source and noise.

    With noise whose autocorrelation is the beam, the slope of the noise has the covariance
    rms^2 C and the source the curvature A C, C the beam's; the maximum is higher by half the
    trace of (rms^2 C) / (A C) in two dimensions: rms^2 / A. A beam of few pixels has larger
    errors of the position, and a larger bias.
    """
    peak, x, y = models[:, 0], models[:, 1], models[:, 2]
    bias = rms**2 / np.maximum(peak, rms)
    if is_coarse(beam):
        a, b, c = beam.quadratic
        position = position_covariance(beam, x, y)[1]
        bias *= np.einsum("nij,ij->n", position, np.array([[a, b], [b, c]]))
    return np.asarray(peak - bias, dtype=np.float64)


def _flags(
    points: Points, shapes: FreeShapes, beam: BeamShape, shape: tuple[int, ...]
) -> IntArray:
    fits, x, y = points.fits, points.peaks.x, points.peaks.y
    if not x.size:
        return np.zeros(0, np.int64)
    rows, columns = shape
    is_edge = np.zeros(x.size, np.bool_)
    for at_x, at_y in ((x, y), (fits[:, 1], fits[:, 2])):
        is_edge |= (at_x < _EDGE_PX) | (at_y < _EDGE_PX)
        is_edge |= (at_x >= columns - _EDGE_PX) | (at_y >= rows - _EDGE_PX)
    island = points.peaks.island
    is_blended = (np.bincount(island)[island] > 1) | (points.neighbours[:, 0] >= 0)
    flags = np.zeros(x.size, np.int64)
    for flag, chosen in (
        (QualityFlag.EDGE, is_edge),
        (QualityFlag.BLENDED, is_blended),
        (QualityFlag.BLANK_PIXELS, fits[:, 4] > 0),
        (QualityFlag.FIT_FAILED, (fits[:, 5] == 0) | shapes.is_failed),
        (QualityFlag.EXTENDED, shapes.is_extended),
        (QualityFlag.NEAR_BRIGHT, _is_near_bright(fits[:, 0], x, y, beam)),
    ):
        flags[chosen] |= int(flag)
    return flags


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


def _with_shapes(
    found: FoundSources, shapes: FreeShapes, peaks: Peaks, beam: BeamShape
) -> FoundSources:
    """Return the sources with their fitted shapes where they have one."""
    free = np.flatnonzero(shapes.is_free)
    if not free.size:
        return found
    columns = np.stack([found.major_px, found.minor_px, found.angle_rad])
    columns[:, free] = axes_of(shapes.models[free, 3:])
    models = shapes.models
    amplitude, x_fit, y_fit = (
        np.where(shapes.is_free, free_value, value)
        for free_value, value in (
            (_without_peak_bias(models, peaks.rms, beam), found.amplitude),
            (models[:, 1], found.x),
            (models[:, 2], found.y),
        )
    )
    major_px, minor_px, angle_rad = columns
    return replace(
        found, amplitude=amplitude, x=x_fit, y=y_fit, major_px=major_px, minor_px=minor_px,
        angle_rad=angle_rad, is_free=shapes.is_free,
    )  # fmt: skip
