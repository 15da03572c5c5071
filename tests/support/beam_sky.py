"""Skies of Gaussian sources in noise that the beam correlates."""

import math
from functools import lru_cache

import numpy as np

from services.extract.models import BeamShape

__all__ = ["Source", "convolved", "gaussian_at", "sky"]

# x, y [px], peak [rms], shape.
Source = tuple[float, float, float, BeamShape]


def gaussian_at(shape: BeamShape, dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Return a Gaussian of peak 1 at offsets from its centre [px]."""
    a, b, c = shape.quadratic
    return np.exp(-(a * dx * dx + 2 * b * dx * dy + c * dy * dy))


def convolved(beam: BeamShape, intrinsic: BeamShape) -> BeamShape:
    """Return the shape of a Gaussian source after convolution with the beam."""
    moments = _moments(beam) + _moments(intrinsic)
    (minor2, major2), axes = np.linalg.eigh(moments)
    return BeamShape(math.sqrt(major2), math.sqrt(minor2), math.atan2(axes[1, 1], axes[0, 1]))


def _moments(shape: BeamShape) -> np.ndarray:
    cos, sin = math.cos(shape.angle_rad), math.sin(shape.angle_rad)
    turn = np.array([[cos, -sin], [sin, cos]])
    return turn @ np.diag([shape.major_px**2, shape.minor_px**2]) @ turn.T


def sky(beam: BeamShape, sources: list[Source], seed: int, size: int) -> np.ndarray:
    """Return noise of rms 1 whose autocorrelation is the beam, with sources; float32."""
    white = np.fft.rfft2(np.random.default_rng(seed).normal(size=(size, size)))
    image = np.fft.irfft2(white * _amplitudes(beam, size), s=(size, size))
    for source in sources:
        _add(source, image)
    return image.astype("f4")


@lru_cache(maxsize=8)
def _amplitudes(beam: BeamShape, size: int) -> np.ndarray:
    """Return what the Fourier transform of white noise is multiplied by."""
    y, x = np.mgrid[:size, :size].astype(float)
    correlation = gaussian_at(beam, x - size // 2, y - size // 2)
    power: np.ndarray = np.fft.rfft2(np.fft.ifftshift(correlation)).real
    return np.sqrt(np.maximum(power, 0))


def _add(source: Source, image: np.ndarray) -> None:
    """Add a source where it is brighter than 1e-26 of its peak."""
    x0, y0, peak, shape = source
    a, b, c = shape.quadratic
    scale = 60 / (a * c - b * b)
    rows = _around(y0, math.sqrt(a * scale), image.shape[0])
    columns = _around(x0, math.sqrt(c * scale), image.shape[1])
    y, x = np.ogrid[rows, columns]
    image[rows, columns] += peak * gaussian_at(shape, x - x0, y - y0)


def _around(centre: float, radius: float, size: int) -> slice:
    first, last = math.floor(centre - radius), math.ceil(centre + radius)
    return slice(min(max(0, first), size), min(max(0, last + 1), size))
