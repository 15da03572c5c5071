"""The peaks of the negated image: noise and artefacts make as many sources that are false."""

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from schemas.messages import NegativePeaks
from services.extract.models import ExtractedImage, FinderParameters
from services.extract.steps.artefacts import ARM_BEAMS, BRIGHT_RATIO
from services.extract.steps.ellipses import to_beam_shape
from services.extract.steps.peaks import find_source_peaks, is_searched
from services.extract.steps.signed_sources import SIGNED_STOKES
from sky.margin import searched_pixels
from sky.neighbours import nearest_within

__all__ = ["find_negative_peaks"]

FloatArray = npt.NDArray[np.float64]

_MOST_LISTED = 32
# Where the noise is next to nothing.
_LARGEST_SNR = 1e9


def find_negative_peaks(
    extracted: ExtractedImage, parameters: FinderParameters
) -> NegativePeaks | None:
    """Return the peaks that the negated image has, and the area that was searched.

    Those around a source that is 100 times brighter are left out: they say nothing of the rest
    of the image, and `p_false` of each source near them has them.

    Parameters
    ----------
    extracted : ExtractedImage
        An image and its sources.
    parameters : FinderParameters
        As its sources were found with.

    Returns
    -------
    NegativePeaks or None
        None in Stokes Q, U and V, where sources are negative, too.

    References
    ----------
    Serra, Jurek and Flöer (2012), PASA 29, 296: the reliability of a detection from the negative
    ones.
    """
    image, extraction = extracted.image, extracted.extraction
    if image.metadata.stokes in SIGNED_STOKES:
        return None
    area_deg2 = _searched_deg2(extracted, parameters)
    least = extraction.detection_threshold_sigma
    if not _may_exceed(extracted, least):
        return NegativePeaks(0, (), area_deg2)
    negated = -image.pixels
    peaks = find_source_peaks(
        negated, -extraction.background_grid, extraction.rms_grid, to_beam_shape(image),
        replace(parameters, detection_threshold_sigma=least),
    )  # fmt: skip
    snr = (negated[peaks.y, peaks.x] - peaks.background) / peaks.rms
    alone = ~_is_near_bright(extracted, np.stack([peaks.x, peaks.y], axis=1), snr)
    strongest = np.minimum(np.sort(snr[alone])[::-1], _LARGEST_SNR)
    return NegativePeaks(int(strongest.size), tuple(strongest[:_MOST_LISTED].tolist()), area_deg2)


def _may_exceed(extracted: ExtractedImage, least_sigma: float) -> bool:
    """Return whether any pixel may be so far below the background; the grids are bounds of it."""
    extraction = extracted.extraction
    highest = extraction.background_grid.max() - least_sigma * extraction.rms_grid.min()
    return bool(extracted.image.lowest <= highest)


def _is_near_bright(
    extracted: ExtractedImage, places: npt.NDArray[np.int64], snr: FloatArray
) -> npt.NDArray[np.bool_]:
    found = extracted.extraction.found
    bright = found.significance > BRIGHT_RATIO * extracted.extraction.detection_threshold_sigma
    if not (bright.any() and snr.size):
        return np.zeros(snr.size, np.bool_)
    bright_places = np.stack([found.x[bright], found.y[bright]], axis=1)
    reach_px = ARM_BEAMS * to_beam_shape(extracted.image).major_px
    distance, nearest = nearest_within(places.astype(np.float64), bright_places, reach_px)
    brightness = np.append(found.significance[bright], 0.0)  # the last: none is near
    return np.asarray(np.isfinite(distance) & (brightness[nearest] > BRIGHT_RATIO * snr))


def _searched_deg2(extracted: ExtractedImage, parameters: FinderParameters) -> float:
    """Return the area within margin and radius; blank pixels count, they are seldom many."""
    image = extracted.image
    shape = (image.pixels.shape[0], image.pixels.shape[1])
    (first, stop), (left, right) = (searched_pixels(side, parameters.margin_px) for side in shape)
    n_pixels = float((stop - first) * (right - left))
    if parameters.radius_px is not None:
        y, x = np.mgrid[first:stop, left:right]
        n_pixels = float(np.count_nonzero(is_searched(y, x, shape, parameters)))
    scale_deg = image.projection.pixel_scale_deg(shape)
    return n_pixels * scale_deg**2 if math.isfinite(scale_deg) else 0.0
