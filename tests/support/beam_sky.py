"""Skies of Gaussian sources in noise that the beam correlates."""

import math

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
    y, x = np.mgrid[:size, :size].astype(float)
    correlation = gaussian_at(beam, x - size // 2, y - size // 2)
    power = np.maximum(np.fft.rfft2(np.fft.ifftshift(correlation)).real, 0)
    white = np.fft.rfft2(np.random.default_rng(seed).normal(size=(size, size)))
    image = np.fft.irfft2(white * np.sqrt(power), s=(size, size))
    for x0, y0, peak, shape in sources:
        image += peak * gaussian_at(shape, x - x0, y - y0)
    return image.astype("f4")
