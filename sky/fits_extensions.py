"""Files with several images: which of them are images of the sky, and which tell about another."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from astropy.io.fits import Header

from sky.fits import FitsImage, later_images
from sky.header.brightness import read_brightness_unit
from sky.header.cards import Cards, quiet_astropy
from sky.header.celestial import to_wcs_header
from sky.header.errors import HeaderError
from sky.metadata import read_metadata

__all__ = ["with_other_images"]

# In EXTNAME or HDUCLASn: pixels that tell about the image beside them.
# fmt: off
_AUXILIARY = frozenset((
    "BACKGROUND", "BG", "BKG", "CONTEXT", "COV", "COVERAGE", "CTX", "DQ", "ERR", "ERROR", "ERRORS",
    "EXPMAP", "EXPOSURE", "FLAG", "FLAGS", "IVAR", "MASK", "MODEL", "NOISE", "PB", "PREVIEW",
    "PSF", "QUALITY", "RESIDUAL", "RESIDUALS", "RMS", "SENSITIVITY", "SIGMA", "SNR", "STAT", "STD",
    "STDDEV", "THUMBNAIL", "UNCERT", "VAR", "VARIANCE", "WEIGHT", "WEIGHTS", "WGT", "WHT",
))
# fmt: on
_NAMES = ("EXTNAME", "HDUNAME", "HDUCLAS1", "HDUCLAS2", "HDUCLAS3")
# What tells apart the images of two fields.
_FIELD = ("CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2")


@quiet_astropy()
def with_other_images(data: bytes, first: FitsImage, cards: Mapping[str, str]) -> FitsImage:
    """Return the first image of the sky in a file, with the others and what was passed over.

    Weights, masks, maps of the noise and their like, images without celestial axes or of another
    unit, a second image of the same exposure, and what cannot be read are passed over.

    Parameters
    ----------
    data : bytes
        The unpacked FITS file.
    first : FitsImage
        What `parse_fits` found in it.
    cards : mapping of str to str
        FITS cards to add or override.
    """
    found, passed_over = _list_images(data, first, cards)
    if not passed_over and len(found) == 1:
        return first
    kept: list[FitsImage] = []
    exposures: set[tuple[object, ...]] = set()
    for name, image in found:
        exposure = _exposure_of(image)
        if _is_auxiliary(image.header) or exposure in exposures:
            passed_over.append(name)
            continue
        kept.append(image)
        if exposure is not None:
            exposures.add(exposure)
    if not kept:
        kept = [first]
        passed_over.remove(found[0][0])
    return replace(kept[0], others=tuple(kept[1:]), passed_over=tuple(passed_over))


def _list_images(
    data: bytes, first: FitsImage, cards: Mapping[str, str]
) -> tuple[list[tuple[str, FitsImage]], list[str]]:
    """Return the images of a file with their names, and the names of those that are none."""
    found, none = [(_name_of(first.header, "the first image"), first)], []
    try:
        for number, header, image in later_images(data, first, cards):
            name = _name_of(header, f"HDU {number}")
            if image is None:
                none.append(name)
            else:
                found.append((name, image))
    except HeaderError as error:
        none.append(f"what follows the image ({error})")
    return found, none


def _name_of(header: Header, stand_in: str) -> str:
    return Cards(header).text("EXTNAME") or stand_in


def _is_auxiliary(header: Header) -> bool:
    cards = Cards(header)
    if any(_AUXILIARY.intersection(_words(cards.text(name))) for name in _NAMES):
        return True
    try:
        to_wcs_header(header)
        read_brightness_unit(cards)
    except HeaderError as error:
        return error.code in ("no_wcs", "bad_unit")
    return False


def _words(text: str | None) -> Iterator[str]:
    return (each for each in re.split("[^A-Z]+", (text or "").upper()) if each)


def _exposure_of(image: FitsImage) -> tuple[object, ...] | None:
    """Return time, frequency, Stokes parameter and field; None where the header is invalid."""
    try:
        read = read_metadata(image.header)
    except HeaderError:
        return None
    cards = Cards(image.header)
    field = (cards.number(name) for name in _FIELD)
    return read.time_start, read.freq_eff_hz, read.stokes, image.axes, *field
