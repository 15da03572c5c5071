"""Sky positions, fluxes and their 1-sigma errors of the sources of an image."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from schemas.messages import SourceColumns
from schemas.reasons import ImageReason
from services.extract.errors import RejectedImageError
from services.extract.kernels.around import median
from services.extract.kernels.ellipses import map_moments
from services.extract.kernels.fluxes import correct_fluxes
from services.extract.models import (
    BeamShape,
    Extraction,
    FinderParameters,
    FoundSources,
    Image,
    Shapes,
)
from services.extract.steps.background import measure_background
from services.extract.steps.crowding import background_without_sources
from services.extract.steps.deconvolution import deconvolve
from services.extract.steps.ellipses import ellipses_on_sky, to_beam_shape
from services.extract.steps.false_discovery import false_discovery_threshold
from services.extract.steps.finder import find_sources
from services.extract.steps.peaks import Peaks, find_source_peaks
from services.extract.steps.places import to_sky_with_jacobian
from services.extract.steps.sampling import is_coarse, position_covariance
from services.extract.steps.signed_sources import SIGNED_STOKES, find_signed_sources
from services.extract.steps.uncertainties import GaussianErrors, fit_errors
from sky.elementary_functions import sin_cos
from sky.rms_grid import rms_at
from sky.small_matrices import determinants

__all__ = ["extract_sources", "to_shapes"]

FloatArray = npt.NDArray[np.float64]


def extract_sources(
    image: Image,
    parameters: FinderParameters,
    detection_image: Image | None = None,
    grids: tuple[FloatArray, FloatArray] | None = None,
) -> Extraction:
    """Find and measure all sources of an image, in raster order of their peaks.

    Parameters
    ----------
    image : Image
        As `open_image` returned it.
    parameters : FinderParameters
        Settings of the finder.
    detection_image : Image or None
        Image in which the sources are detected before they are measured in `image`, such as a
        deeper one; it must have the same pixels. None: `image` itself.
    grids : two (rows, columns) float64, or None
        Background and rms that were measured elsewhere [Jy/beam], taken as they are. None:
        measured in `image`, the background of crowded cells without the sources.

    Raises
    ------
    RejectedImageError
        Code ``no_noise`` if the noise cannot be measured in any cell, ``shape_mismatch`` if the
        detection image has another shape.
    """
    beam = to_beam_shape(image)
    peaks = None
    if detection_image is not None:
        peaks = _peaks_of(detection_image, parameters, image.pixels.shape)
    if grids is not None:
        return _extract(image, parameters, beam, grids, peaks)
    background_grid, rms_grid = _grids(image, parameters, beam)
    extraction = _extract(image, parameters, beam, (background_grid, rms_grid), peaks)
    without = background_without_sources(
        image.pixels, background_grid, rms_grid, extraction.found,
        beam=beam, parameters=parameters,
    )  # fmt: skip
    if without is None:
        return extraction
    return _extract(image, parameters, beam, (without, rms_grid), peaks)


def _extract(
    image: Image,
    parameters: FinderParameters,
    beam: BeamShape,
    grids: tuple[FloatArray, FloatArray],
    peaks: Peaks | None,
) -> Extraction:
    """Find and measure the sources above a background."""
    if peaks is not None:
        at = image.pixels.shape[0], image.pixels.shape[1]
        background, rms = (rms_at(grid, at, peaks.x, peaks.y) for grid in grids)
        peaks = replace(peaks, background=background, rms=rms)
    elif parameters.fdr_alpha is not None:
        threshold = false_discovery_threshold(
            image.pixels, *grids, beam, parameters, is_signed=_is_signed(image, parameters)
        )
        parameters = replace(parameters, detection_threshold_sigma=threshold)
    find = find_signed_sources if _is_signed(image, parameters) else find_sources
    found = find(image.pixels, *grids, beam, parameters, peaks, bright_px=_bright_px(image))
    return _to_extraction(found, image, beam, parameters, *grids)


def _bright_px(image: Image) -> FloatArray:
    """Return (m, 2) x, y of the listed bright sources on this side of the sky."""
    if image.bright_positions is None:
        return np.empty((0, 2))
    places = np.stack(image.projection.to_pixel(*image.bright_positions), axis=1)
    return np.asarray(places[np.isfinite(places).all(axis=1)])


def _is_signed(image: Image, parameters: FinderParameters) -> bool:
    return parameters.negative_sources and image.metadata.stokes in SIGNED_STOKES


def _grids(
    image: Image, parameters: FinderParameters, beam: BeamShape
) -> tuple[FloatArray, FloatArray]:
    return measure_background(
        image.pixels,
        parameters.background_cell_px,
        parameters.median_filter_cells,
        beam_px=beam.mean_px,
    )


def _peaks_of(image: Image, parameters: FinderParameters, shape: tuple[int, ...]) -> Peaks:
    if image.pixels.shape != shape:
        raise RejectedImageError(
            ImageReason.SHAPE_MISMATCH,
            f"the detection image has {image.pixels.shape} pixels, the image {shape}; both must "
            "have the same pixels",
        )
    beam = to_beam_shape(image)
    return find_source_peaks(image.pixels, *_grids(image, parameters, beam), beam, parameters)


def _to_extraction(
    found: FoundSources,
    image: Image,
    beam: BeamShape,
    parameters: FinderParameters,
    background_grid: FloatArray,
    rms_grid: FloatArray,
) -> Extraction:
    # Beyond the projection there is no sky, so what the fit puts there is no source.
    ra, dec, jacobian = to_sky_with_jacobian(image.projection, found.x, found.y)
    on_sky = np.isfinite(ra)
    if not np.all(on_sky):
        found, jacobian = found.select(on_sky), jacobian[on_sky]
        ra, dec = ra[on_sky], dec[on_sky]
    return Extraction(
        sources=_to_columns(found, beam, (ra, dec), jacobian, parameters),
        found=found,
        background_grid=background_grid,
        rms_grid=rms_grid,
        rms_jy_beam=median(rms_grid),
        detection_threshold_sigma=parameters.detection_threshold_sigma,
        parameters=parameters,
    )


def to_shapes(image: Image, found: FoundSources) -> Shapes:
    """Return the parameters of the sources beyond the public columns.

    Parameters
    ----------
    image : Image
        The image.
    found : FoundSources
        As `extract_sources` returned them.
    """
    beam = to_beam_shape(image)
    errors = _errors(found, beam)
    jacobian = image.projection.jacobian(found.x, found.y)
    shape = ellipses_on_sky((found.major_px, found.minor_px), found.angle_rad, jacobian)
    major_px, minor_px, angle_rad = _beams(found, beam)
    beam_on_sky = ellipses_on_sky((major_px, minor_px), angle_rad, jacobian)
    scale = 3600 * np.sqrt(np.abs(determinants(jacobian)))
    shape_err = errors.major * scale, errors.minor * scale, np.degrees(errors.angle)
    pure = deconvolve(shape, shape_err, beam_on_sky)
    return Shapes(
        x_px=found.x,
        y_px=found.y,
        major_err_arcsec=shape_err[0],
        minor_err_arcsec=shape_err[1],
        pa_err_deg=shape_err[2],
        major_dc_arcsec=pure.major,
        minor_dc_arcsec=pure.minor,
        pa_dc_deg=pure.pa_deg,
        major_dc_err_arcsec=pure.major_err,
        minor_dc_err_arcsec=pure.minor_err,
        pa_dc_err_deg=pure.pa_err_deg,
        chi2_reduced=found.chi2_reduced,
    )


def _to_columns(
    found: FoundSources,
    beam: BeamShape,
    positions: tuple[FloatArray, FloatArray],
    jacobian: FloatArray,
    parameters: FinderParameters,
) -> SourceColumns:
    if not found.x.size:
        return SourceColumns()
    errors = _errors(found, beam)
    east_err, north_err = _position_errors(found, errors, jacobian)
    major, minor, pa = ellipses_on_sky((found.major_px, found.minor_px), found.angle_rad, jacobian)
    area = _area_beams(found, beam)
    fluxes = np.empty((4, found.x.size))
    correct_fluxes(
        found.amplitude, area, errors.peak, errors.flux,
        (parameters.clean_bias_jy_beam, parameters.clean_bias_err_jy_beam),
        parameters.flux_calibration_error, fluxes,
    )  # fmt: skip
    return SourceColumns(
        ra=positions[0],
        dec=positions[1],
        ra_err_deg=east_err,
        dec_err_deg=north_err,
        flux_peak_jy_beam=fluxes[0],
        flux_peak_err_jy_beam=fluxes[1],
        flux_int_jy=fluxes[2],
        flux_int_err_jy=fluxes[3],
        snr=found.significance,
        rms_local_jy_beam=found.rms_local,
        major_arcsec=major,
        minor_arcsec=minor,
        pa_deg=pa,
        quality_flags=found.quality_flags,
        p_false=found.p_false,
    )


def _area_beams(found: FoundSources, beam: BeamShape) -> FloatArray:
    """Return the solid angle of each source over that of its beam."""
    if not found.is_free.any():
        return np.ones(found.x.size)
    beam_major_px, beam_minor_px, _ = _beams(found, beam)
    return np.asarray(found.major_px * found.minor_px / (beam_major_px * beam_minor_px))


def _errors(found: FoundSources, beam: BeamShape) -> GaussianErrors:
    """Return the errors of each fit: with the beam's shape, or with a free one."""
    snr = np.abs(found.amplitude) / found.rms_local
    axes_px = found.major_px, found.minor_px
    errors = fit_errors(snr, axes_px, _beams(found, beam), found.is_free)
    return _with_coarse_errors(errors, snr, found, beam) if is_coarse(beam) else errors


def _beams(found: FoundSources, beam: BeamShape) -> FloatArray:
    """Return (3, n) axes [px] and angle [rad] of each source's beam: its own shape if fixed."""
    fixed = np.stack([found.major_px, found.minor_px, found.angle_rad])
    if not found.is_free.any():
        return fixed
    return np.where(found.is_free, beam.axes(found.x, found.y), fixed)


def _with_coarse_errors(
    errors: GaussianErrors, snr: FloatArray, found: FoundSources, beam: BeamShape
) -> GaussianErrors:
    """Return the errors of fits of a beam of few pixels: they depend on the place in the pixel."""
    peak, position = position_covariance(beam, found.x, found.y)
    sin, cos = sin_cos(found.angle_rad)
    along, across = (
        np.sqrt(np.einsum("ni,nij,nj->n", axis, position, axis)) / snr
        for axis in (np.stack([cos, sin], axis=1), np.stack([-sin, cos], axis=1))
    )
    coarse = {"peak": peak / snr, "flux": peak / snr, "along": along, "across": across}
    return replace(
        errors,
        **{
            name: np.where(found.is_free, getattr(errors, name), value)
            for name, value in coarse.items()
        },
    )


def _position_errors(
    found: FoundSources, errors: GaussianErrors, jacobian: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the errors to the east and to the north [deg]."""
    moments = np.empty((3, found.x.size))
    map_moments(errors.along, errors.across, found.angle_rad, jacobian, moments)
    return np.sqrt(moments[0]), np.sqrt(moments[1])
