"""Detect sources and fit them in pixel coordinates."""

import numpy as np
import numpy.typing as npt

from schemas.quality import QualityFlag
from services.extract.kernels.flags import are_poor_fits, flag_places, mark_near_bright
from services.extract.models import BeamShape, FinderParameters, FoundSources, axes_of
from services.extract.steps.artefacts import false_probability, is_within, without_detected
from services.extract.steps.free_shapes import FreeShapes, fit_free_shapes
from services.extract.steps.peak_bias import bias_of_beams, bias_of_free_shapes
from services.extract.steps.peaks import Peaks, find_source_peaks
from services.extract.steps.points import Points, compare, exceeds_beam, fit_points
from services.extract.steps.residual_sources import with_residual_sources

__all__ = ["find_sources"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# A source this many times brighter, this many beams away: its side lobes may be detected.
_BRIGHT_RATIO, _BRIGHT_BEAMS = 100.0, 10.0
_LIKELY_FALSE = 0.5
# The marks of `flag_places`.
_PLACES = (
    int(QualityFlag.EDGE),
    int(QualityFlag.BLENDED),
    int(QualityFlag.BLANK_PIXELS),
    int(QualityFlag.FIT_FAILED),
)
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
    flags = _flags(fitted, shapes, beam, (pixels.shape[0], pixels.shape[1]))
    is_lobe = p_false >= _LIKELY_FALSE
    is_lobe |= is_within(peaks, bright_px, _BRIGHT_BEAMS * beam.major_px)
    flags[is_lobe] |= int(QualityFlag.NEAR_BRIGHT)
    found = _to_found(fitted, shapes, residuals, beam, quality_flags=flags, p_false=p_false)
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


def _to_found(
    points: Points,
    shapes: FreeShapes,
    residuals: FloatArray,
    beam: BeamShape,
    *,
    quality_flags: IntArray,
    p_false: FloatArray,
) -> FoundSources:
    """Return the sources with the beam's shape, or their own; and a flag for poor fits."""
    fits, peaks = points.fits, points.peaks
    x, y = fits[:, 1].copy(), fits[:, 2].copy()
    amplitude = _without_peak_bias(fits, peaks.rms, bias_of_beams(beam, x, y))
    # That of the fit: the beam at the peak, not at the fitted position.
    beam_axes = beam.axes(peaks.x.astype(np.float64), peaks.y.astype(np.float64))
    axes = beam_axes
    if shapes.is_free.any():
        free, models, axes = shapes.is_free, shapes.models, beam_axes.copy()
        bias = bias_of_free_shapes(beam, models[:, 1], models[:, 2])
        amplitude[free] = _without_peak_bias(models, peaks.rms, bias)[free]
        x[free], y[free], axes[:, free] = (
            models[free, 1],
            models[free, 2],
            axes_of(models[free, 3:]),
        )
    chi2_reduced, is_poor = np.empty(x.size), np.empty(x.size, np.bool_)
    are_poor_fits(
        residuals, amplitude, peaks.rms, axes, beam_axes, shapes.is_free, chi2_reduced, is_poor
    )
    return FoundSources(
        significance=fits[:, 0] / peaks.rms,
        amplitude=amplitude,
        x=x,
        y=y,
        major_px=axes[0],
        minor_px=axes[1],
        angle_rad=axes[2],
        rms_local=peaks.rms,
        chi2_reduced=chi2_reduced,
        p_false=p_false,
        is_free=shapes.is_free,
        quality_flags=quality_flags | is_poor * int(QualityFlag.POOR_FIT),
    )


def _without_peak_bias(models: FloatArray, rms: FloatArray, bias: FloatArray) -> FloatArray:
    """Return amplitudes corrected for the bias of fitting at a maximum of source and noise.

    `bias` is that of each times its S/N [rms].
    """
    peak = models[:, 0]
    return np.asarray(peak - bias * rms**2 / np.maximum(peak, rms), dtype=np.float64)


def _flags(
    points: Points, shapes: FreeShapes, beam: BeamShape, shape: tuple[int, int]
) -> IntArray:
    peaks, fits = points.peaks, points.fits
    flags = np.empty(peaks.y.size, np.int64)
    flag_places(shape, peaks.y, peaks.x, peaks.island, fits, points.neighbours, _PLACES, flags)
    mark_near_bright(
        peaks.y, peaks.x, fits, _BRIGHT_RATIO, _BRIGHT_BEAMS * beam.major_px,
        int(QualityFlag.NEAR_BRIGHT), flags,
    )  # fmt: skip
    flags[shapes.is_failed] |= int(QualityFlag.FIT_FAILED)
    flags[shapes.is_extended] |= int(QualityFlag.EXTENDED)
    return flags
