"""Put measured sources on the sky, with errors that mean what they say."""

import math

import numpy as np
import numpy.typing as npt

from schemas.messages import SourceColumns
from services.extract.models import FinderParameters, FoundSources, Image
from services.extract.steps.finder import BeamShape, find_sources
from sky.wcs import SkyProjection

__all__ = ["extract_sources", "to_beam_shape"]

FloatArray = npt.NDArray[np.float64]


def to_beam_shape(image: Image) -> BeamShape:
    """Return the restoring beam as it lies on the pixels at the image centre."""
    rows, columns = image.pixels.shape
    jacobian = image.projection.jacobian(
        np.array([(columns - 1) / 2]), np.array([(rows - 1) / 2])
    )[0]
    pa = math.radians(image.metadata.beam_pa_deg)
    # Unit vector of the major axis (east, north), as a step in pixels.
    step_x, step_y = np.linalg.solve(jacobian, [math.sin(pa), math.cos(pa)])
    scale = math.sqrt(abs(np.linalg.det(jacobian)))
    return BeamShape(
        image.metadata.beam_major_deg / scale,
        image.metadata.beam_minor_deg / scale,
        math.atan2(step_y, step_x),
    )


def extract_sources(
    image: Image, parameters: FinderParameters
) -> tuple[SourceColumns, FloatArray]:
    """Find, measure and place all sources of an image.

    Returns
    -------
    sources : SourceColumns
        In raster order of their peaks.
    rms_grid : (rows, columns) float64
        Local rms at the cell centres [Jy/beam].

    References
    ----------
    Condon (1997), PASP 109, 166: errors of Gaussian fits where noise is correlated by the
    beam; for a point source sigma_peak = rms and sigma_axis = FWHM / (snr sqrt(8 ln 2)).
    """
    beam = to_beam_shape(image)
    found = find_sources(image.pixels, beam, parameters)
    return _to_columns(found, beam, image.projection), found.rms_grid


def _to_columns(found: FoundSources, beam: BeamShape, projection: SkyProjection) -> SourceColumns:
    if not found.x.size:
        return SourceColumns()
    snr = found.significance
    ra, dec = projection.to_sky(found.x, found.y)
    jacobian = projection.jacobian(found.x, found.y)
    east_err, north_err = _position_errors(found, snr, jacobian)
    major, minor, pa = _axes_on_sky(found, jacobian)
    area = found.major_px * found.minor_px / (beam.major_px * beam.minor_px)
    # Condon (1997) eq. 21 with the beam as the noise's correlation: larger sources average
    # more independent noise, and their flux also inherits the error of their area.
    growth = np.sqrt(np.maximum(area, 1.0))
    peak_err = found.rms_local
    flux_int = found.amplitude * area
    flux_int_err = found.rms_local * growth
    return SourceColumns(
        ra=ra,
        dec=dec,
        ra_err_deg=east_err,
        dec_err_deg=north_err,
        flux_peak_jy_beam=found.amplitude,
        flux_peak_err_jy_beam=peak_err,
        flux_int_jy=flux_int,
        flux_int_err_jy=flux_int_err,
        snr=snr,
        rms_local_jy_beam=found.rms_local,
        major_arcsec=major,
        minor_arcsec=minor,
        pa_deg=pa,
        quality_flags=found.quality_flags,
    )


def _position_errors(
    found: FoundSources, snr: FloatArray, jacobian: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the errors to the east and to the north [deg]."""
    factor = 1.0 / (snr * math.sqrt(8 * math.log(2.0)))
    along, across = found.major_px * factor, found.minor_px * factor
    cos, sin = np.cos(found.angle_rad), np.sin(found.angle_rad)
    covariance = np.empty_like(jacobian)
    covariance[:, 0, 0] = (along * cos) ** 2 + (across * sin) ** 2
    covariance[:, 1, 1] = (along * sin) ** 2 + (across * cos) ** 2
    covariance[:, 0, 1] = covariance[:, 1, 0] = (along**2 - across**2) * sin * cos
    on_sky = jacobian @ covariance @ jacobian.transpose(0, 2, 1)
    return np.sqrt(on_sky[:, 0, 0]), np.sqrt(on_sky[:, 1, 1])


def _axes_on_sky(
    found: FoundSources, jacobian: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return major and minor axis [arcsec] and position angle east of north [deg]."""
    cos, sin = np.cos(found.angle_rad), np.sin(found.angle_rad)
    major = np.einsum("nij,nj->ni", jacobian, np.stack([cos, sin], axis=1))
    minor = np.einsum("nij,nj->ni", jacobian, np.stack([-sin, cos], axis=1))
    pa = np.degrees(np.arctan2(major[:, 0], major[:, 1])) % 180.0
    return (
        found.major_px * np.linalg.norm(major, axis=1) * 3600,
        found.minor_px * np.linalg.norm(minor, axis=1) * 3600,
        pa,
    )
