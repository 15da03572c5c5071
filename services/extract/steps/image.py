"""From FITS bytes to a checked image."""

from collections.abc import Mapping

import numpy as np

from schemas.reasons import ImageReason
from services.extract.errors import RejectedImageError, SeveralPlanesError
from services.extract.models import Image
from services.extract.steps.ellipses import header_beam
from services.extract.steps.pixels import check_pixels, read_pixels
from sky.fits import FitsImage, HeaderError
from sky.fits_containers import open_fits
from sky.header.celestial import to_wcs_header
from sky.metadata import HeaderMetadata, read_metadata
from sky.stream_headers import StreamHeader, read_stream_header
from sky.wcs import SkyProjection

__all__ = ["check_header", "open_image"]

# With fewer pixels across the beam a point source is undersampled.
_MIN_BEAM_PX = 1.5
# Of the size of a pixel, which is measured by steps in the image.
_ROUNDING = 1e-6
_MAX_BEAM_FRACTION = 0.5
# Across pixels that are no squares; pixels of two to one along the minor axis still pass.
_LEAST_AXIS_PX = 1.0
_MOST_UNPACKED_BYTES = 1 << 30


def check_header(fits: FitsImage) -> tuple[HeaderMetadata, str, SkyProjection]:
    """Read and check everything but the pixels.

    Raises
    ------
    RejectedImageError
        With the code of the missing or invalid card.
    """
    try:
        wcs_header = to_wcs_header(fits.header)
        projection = SkyProjection.of(wcs_header)
        metadata = read_metadata(fits.header)
    except HeaderError as error:
        raise RejectedImageError(ImageReason(error.code), str(error)) from error
    return metadata, wcs_header, projection


def open_image(
    data: bytes, cards: Mapping[str, str], *, max_bytes: int = _MOST_UNPACKED_BYTES
) -> Image:
    """Decode an image and check its header and pixels.

    Parameters
    ----------
    data : bytes
        A FITS file, compressed or not.
    cards : mapping of str to str
        FITS cards to add or override.
    max_bytes : int
        Largest image: bytes of its pixels.

    Raises
    ------
    SeveralPlanesError
        If the file is a cube or has several images of the sky.
    RejectedImageError
        Codes of `sky.fits` and `sky.metadata`, ``all_blank``, ``flat``, ``infinite_pixels``,
        ``diverged``, ``undersampled_beam``, ``oversampled_beam``.
    """
    try:
        data, header = _open_header(data, cards, max_bytes)
        fits, metadata, wcs_header = header.fits, header.metadata, header.wcs_header
        projection = SkyProjection.of(wcs_header)
        pixels, blanked, extremes = read_pixels(data, fits)
    except HeaderError as error:
        raise RejectedImageError(ImageReason(error.code), str(error)) from error
    pixel_deg = projection.pixel_scale_deg(fits.shape)
    _check_beam(metadata, fits.shape, pixel_deg)
    factor = metadata.jy_beam_factor(pixel_deg)
    if factor != 1.0:
        with np.errstate(over="ignore"):  # an infinite pixel is rejected below
            pixels *= np.float32(factor)
            extremes = extremes[0] * np.float32(factor), extremes[1] * np.float32(factor)
    check_pixels(*extremes)
    warnings = (
        *(f"ignored_card {name}" for name in metadata.ignored_cards),
        *(f"passed_over {name}" for name in fits.passed_over),
        *blanked,
    )
    image = Image(pixels, metadata, wcs_header, projection, extremes[0], warnings)
    _check_beam_in_pixels(image)
    return image


def _open_header(
    data: bytes, cards: Mapping[str, str], max_bytes: int
) -> tuple[bytes, StreamHeader]:
    """Return the unpacked FITS file, and what its header says."""
    header = read_stream_header(data, cards, max_bytes=max_bytes)
    if header is not None:
        return data, header
    data, fits = open_fits(data, cards, max_bytes=max_bytes)
    if fits.n_planes_of_file > 1:
        raise SeveralPlanesError(data, fits)
    metadata, wcs_header, _ = check_header(fits)
    return data, StreamHeader(fits, metadata, wcs_header)


def _check_beam(metadata: HeaderMetadata, shape: tuple[int, int], pixel_deg: float) -> None:
    if not np.isfinite(pixel_deg) or pixel_deg <= 0:
        raise RejectedImageError(
            ImageReason.NO_WCS, "the image centre is not on the sky (CRPIX, CDELT)"
        )
    minor_px = metadata.beam_minor_deg / pixel_deg
    if minor_px < _MIN_BEAM_PX * (1 - _ROUNDING):
        raise RejectedImageError(
            ImageReason.UNDERSAMPLED_BEAM,
            f"the beam's minor axis covers {minor_px:.2f} px, fewer than {_MIN_BEAM_PX}; "
            "use smaller pixels",
        )
    if metadata.beam_major_deg / pixel_deg > _MAX_BEAM_FRACTION * max(shape):
        raise RejectedImageError(
            ImageReason.OVERSAMPLED_BEAM,
            "the beam is larger than half the image; check BMAJ [deg] and CDELT",
        )


def _check_beam_in_pixels(image: Image) -> None:
    """Refuse an image whose pixels are so sheared or long that the beam is no ellipse in them.

    `_check_beam` takes them for squares of the same area.
    """
    beam, shape = header_beam(image), image.pixels.shape
    if not (beam.minor_px >= _LEAST_AXIS_PX and beam.major_px <= max(shape)):
        raise RejectedImageError(
            ImageReason.UNDERSAMPLED_BEAM,
            f"the beam covers {beam.major_px:.3g} by {beam.minor_px:.3g} px, as the pixels are "
            "sheared or elongated: check CDELT, the PC or the CD matrix",
        )
