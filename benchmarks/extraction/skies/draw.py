"""Draw an image of a kind of sky, with its truth: points in noise that the beam correlates."""

import io
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from benchmarks.extraction.skies.kinds import SkyKind
from services.extract.models import BeamShape

__all__ = ["RMS_JY_BEAM", "DrawnSky", "draw_sky", "to_beams"]

FloatArray = NDArray[np.float64]

RMS_JY_BEAM = 1e-3
_COUNTS_SLOPE = 1.5  # of N(>S), Euclidean
_LEAST_SNR, _MOST_SNR = 3.0, 1000.0
_PIXEL_DEG = 30 / 3600
_MARGIN_PX = 16.0
# Beyond it a Gaussian is below 1e-8 of its peak [standard deviations].
_STAMP_SIGMA = 6.1
_FWHM_PER_SIGMA = math.sqrt(8 * math.log(2))


@dataclass(frozen=True, slots=True)
class DrawnSky:
    """An image and what is in it.

    Parameters
    ----------
    kind : SkyKind
        What it was drawn from.
    data : bytes
        The FITS file.
    wcs : astropy.wcs.WCS
        Pixels to the sky, as astropy reads the header.
    x, y : (n,) float64
        Places of the sources, 0-based [px].
    snr : (n,) float64
        Their peaks over the noise, with their sign.
    is_clean : (n,) bool
        Whether no other source is near.
    """

    kind: SkyKind
    data: bytes
    wcs: WCS
    x: FloatArray
    y: FloatArray
    snr: FloatArray
    is_clean: NDArray[np.bool_]


def draw_sky(kind: SkyKind, *seed: int) -> DrawnSky:
    """Return an image with Euclidean counts from 3 to 1000 sigma.

    Parameters
    ----------
    kind : SkyKind
        The kind of sky.
    *seed : int
        The same seeds give the same image.
    """
    rng, beam = np.random.default_rng(seed), kind.beam
    n_sources = round(kind.size_px**2 / (kind.beams_a_source * beam.area_px))
    x, y = rng.uniform(_MARGIN_PX, kind.size_px - 1 - _MARGIN_PX, (2, n_sources))
    share = rng.random(n_sources) * (1 - (_LEAST_SNR / _MOST_SNR) ** _COUNTS_SLOPE)
    snr = _LEAST_SNR * (1 - share) ** (-1 / _COUNTS_SLOPE)
    if kind.is_signed:
        snr *= rng.choice((-1.0, 1.0), n_sources)
    pixels = draw_noise(beam, kind.size_px, rng)
    for source in zip(x, y, snr, strict=True):
        _add(pixels, beam, *source)
    axes = fits.Header(_axes(kind))
    hdu = fits.PrimaryHDU((RMS_JY_BEAM * pixels).astype(np.float32)[None], axes)
    hdu.header.update(_observation(kind))
    file = io.BytesIO()
    hdu.writeto(file)
    places = to_beams(beam, x, y)
    nearest = cKDTree(places).query(places, k=2)[0][:, 1]
    is_clean = nearest > kind.clean_beams
    return DrawnSky(kind, file.getvalue(), WCS(axes).celestial, x, y, snr, is_clean)


def to_beams(beam: BeamShape, x: FloatArray, y: FloatArray) -> FloatArray:
    """Return (n, 2) places in a plane in which the beam is round, with a FWHM of 1."""
    sin, cos = math.sin(beam.angle_rad), math.cos(beam.angle_rad)
    along, across = (cos * x + sin * y) / beam.major_px, (cos * y - sin * x) / beam.minor_px
    return np.stack([along, across], axis=1)


def draw_noise(beam: BeamShape, size_px: int, rng: np.random.Generator) -> FloatArray:
    """Return noise of rms 1 whose autocorrelation is the beam at the pixels, however few."""
    white = np.fft.rfft2(rng.standard_normal((size_px, size_px)))
    white *= _amplitudes(beam, size_px)
    return np.fft.irfft2(white, s=(size_px, size_px))


@lru_cache(maxsize=1)
def _amplitudes(beam: BeamShape, size_px: int) -> FloatArray:
    """Return the square root of the power spectrum of the noise."""
    offsets = np.fft.fftfreq(size_px, 1 / size_px)
    power = np.fft.rfft2(_gaussian(beam, offsets[None, :], offsets[:, None])).real
    return np.sqrt(np.maximum(power, 0))


def _gaussian(beam: BeamShape, dx: FloatArray, dy: FloatArray) -> FloatArray:
    a, b, c = beam.quadratic
    return np.exp(-(a * dx * dx + 2 * b * dx * dy + c * dy * dy))


def _add(pixels: FloatArray, beam: BeamShape, x: float, y: float, peak: float) -> None:
    radius_px = math.ceil(_STAMP_SIGMA * beam.major_px / _FWHM_PER_SIGMA)
    left, low = max(0, round(x) - radius_px), max(0, round(y) - radius_px)
    part = pixels[low : round(y) + radius_px + 1, left : round(x) + radius_px + 1]
    dy, dx = np.ogrid[: part.shape[0], : part.shape[1]]
    part += peak * _gaussian(beam, dx + (left - x), dy + (low - y))


def _axes(kind: SkyKind) -> list[tuple[str, str | float]]:
    """Return the cards of the world coordinates."""
    middle = (kind.size_px + 1) / 2
    cards: list[tuple[str, str | float]] = [
        ("CTYPE1", "RA---SIN"), ("CTYPE2", "DEC--SIN"), ("RADESYS", "ICRS"),
        ("CTYPE3", "STOKES"), ("CRPIX3", 1.0), ("CRVAL3", float(kind.stokes)), ("CDELT3", 1.0),
    ]  # fmt: skip
    places = zip(kind.reference_deg, kind.centre_px, (-1, 1), strict=True)
    for axis, (reference_deg, centre_px, sign) in enumerate(places, start=1):
        cards += [
            (f"CRVAL{axis}", reference_deg), (f"CRPIX{axis}", middle - centre_px),
            (f"CDELT{axis}", sign * _PIXEL_DEG), (f"CUNIT{axis}", "deg"),
        ]  # fmt: skip
    return cards


def _observation(kind: SkyKind) -> dict[str, str | float]:
    """Return the other cards that an image needs."""
    return {
        "BMAJ": kind.beam.major_px * _PIXEL_DEG, "BMIN": kind.beam.minor_px * _PIXEL_DEG,
        "BPA": kind.beam_pa_deg, "BUNIT": "Jy/beam",
        "RESTFRQ": 149e6, "DATE-OBS": "2026-01-01T00:00:00",
    }  # fmt: skip
