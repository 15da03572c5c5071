"""Gaussians in pixels and on the sky: the restoring beam, and the shapes of sources."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from services.extract.kernels.ellipses import map_axes
from services.extract.models import BeamShape, Image
from sky.small_matrices import inverses
from sky.wcs import SkyProjection

__all__ = ["FloatArray", "ellipses_on_sky", "header_beam", "to_beam_shape"]

FloatArray = npt.NDArray[np.float64]


def to_beam_shape(image: Image) -> BeamShape:
    """Return the restoring beam in pixels.

    An interferometer's image is restored with one beam that is the same in direction cosines
    (l, m) over the whole image; BPA counts from the north at the *reference pixel*, which near a
    pole or in a cut-out is another direction than the north at the image centre. Images in
    projections without such a plane (mosaics in CAR, AIT, ...) take the image centre. A mosaic
    with a map of beams has those; its shape is the typical one.

    References
    ----------
    Thompson, Moran & Swenson (2017), section 3.1; Greisen (1983), AIPS Memo 27.
    """
    if image.local_beams is not None:
        return replace(image.local_beams.typical, local=image.local_beams)
    return header_beam(image)


def header_beam(image: Image) -> BeamShape:
    """Return the beam of the header in pixels, whatever map there is; as `to_beam_shape`."""
    header = image.metadata
    axes_deg = header.beam_major_deg, header.beam_minor_deg
    rows, columns = image.pixels.shape
    return _beam_in_pixels(image.projection, (rows, columns), axes_deg, header.beam_pa_deg)


# The images of a stream have the same few beams.
@lru_cache(maxsize=64)
def _beam_in_pixels(
    projection: SkyProjection,
    shape: tuple[int, int],
    axes_deg: tuple[float, float],
    pa_deg: float,
) -> BeamShape:
    to_sky = projection.reference_matrix
    if to_sky is None:
        rows, columns = shape
        centre = np.array([(columns - 1) / 2]), np.array([(rows - 1) / 2])
        to_sky = projection.jacobian(*centre)[0]
    major, minor, angle = _mapped(
        (np.array([axes_deg[0]]), np.array([axes_deg[1]])),
        np.radians(np.array([90.0 - pa_deg])),
        inverses(to_sky)[None],
    )
    return BeamShape(float(major[0]), float(minor[0]), float(angle[0]))


def ellipses_on_sky(
    axes_px: tuple[FloatArray, FloatArray], angle_rad: FloatArray, jacobian: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return Gaussians of the pixel plane as they are on the sky.

    Parameters
    ----------
    axes_px : two (n,) float64
        Major and minor axis, FWHM [px].
    angle_rad : (n,) float64
        Angle of the major axis from x towards y [rad].
    jacobian : (n, 2, 2) float64
        East and north offset [deg] of a step of one pixel in x and y, at each of them.

    Returns
    -------
    major_arcsec, minor_arcsec, pa_deg : three (n,) float64
        FWHM [arcsec], and the position angle, north through east, in [0, 180) [deg].
    """
    major, minor, angle = _mapped(axes_px, angle_rad, jacobian)
    return major * 3600, minor * 3600, (90.0 - np.degrees(angle)) % 180.0


def _mapped(
    axes: tuple[FloatArray, FloatArray], angle_rad: FloatArray, matrices: FloatArray
) -> FloatArray:
    """Return (3, n) axes and angles of Gaussians after linear maps."""
    result = np.empty((3, angle_rad.size))
    map_axes(*axes, angle_rad, matrices, result)
    return result
