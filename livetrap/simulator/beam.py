"""The restoring beam: source stamps, and noise that is correlated by it."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livetrap.simulator.config import SimulatorConfig

__all__ = ["NoiseMaker", "Stamp", "make_stamp"]

_FWHM_PER_SIGMA = math.sqrt(8.0 * math.log(2.0))
# Outside, the beam is below 1e-6 of its peak: no visible edge on a 1000-sigma source.
_STAMP_RADIUS_SIGMA = 5.3


@dataclass(frozen=True, slots=True)
class Stamp:
    """The image of one source of unit flux.

    Parameters
    ----------
    rows, columns : slice
        Its position in the image.
    pixels : (ny, nx) float32
        Peak 1 at the source's sub-pixel position [1/beam].
    """

    rows: slice
    columns: slice
    pixels: NDArray[np.float32]


def make_stamp(config: SimulatorConfig, y_px: float, x_px: float) -> Stamp:
    """Return the beam at a position, cut at the image's edge.

    Parameters
    ----------
    config : SimulatorConfig
        Image size and beam.
    y_px, x_px : float
        Position, 0-based [px].
    """
    radius_px = math.ceil(_STAMP_RADIUS_SIGMA * config.beam_major_px / _FWHM_PER_SIGMA)
    rows = _window(y_px, radius_px, config.size)
    columns = _window(x_px, radius_px, config.size)
    dy = np.arange(rows.start, rows.stop, dtype=np.float64)[:, None] - y_px
    dx = np.arange(columns.start, columns.stop, dtype=np.float64)[None, :] - x_px
    along, across = _rotate(config, dy, dx)
    major_px = config.beam_major_px / _FWHM_PER_SIGMA
    minor_px = config.beam_minor_px / _FWHM_PER_SIGMA
    pixels = np.exp(-0.5 * ((along / major_px) ** 2 + (across / minor_px) ** 2))
    return Stamp(rows, columns, pixels.astype(np.float32))


class NoiseMaker:
    """Draws unit-variance noise whose autocorrelation is the beam.

    White noise, drawn in the Fourier domain, is multiplied by the square root of the beam's
    transform.

    Parameters
    ----------
    config : SimulatorConfig
        Image size and beam.
    """

    def __init__(self, config: SimulatorConfig) -> None:
        self._size = config.size
        frequencies = np.fft.fftfreq(config.size).astype(np.float64)
        power_full = _beam_power(config, frequencies[:, None], frequencies[None, :])
        # Column size/2 is at -0.5 here and at +0.5 in a real transform: the same frequency.
        amplitude = np.sqrt(power_full[:, : config.size // 2 + 1])
        # The last transform keeps only the real part of these two columns: half their power.
        amplitude[:, [0, -1]] *= math.sqrt(2.0)
        amplitude /= math.sqrt(2.0 * power_full.sum())
        self._amplitude = amplitude.astype(np.float32)

    def draw(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return a new plane of noise.

        Parameters
        ----------
        rng : numpy.random.Generator
            Random number generator.

        Returns
        -------
        (size, size) float32
            Mean 0, standard deviation 1 [1/beam].
        """
        shape = (self._size, 2 * self._amplitude.shape[1])
        spectrum = rng.standard_normal(shape, dtype=np.float32).view(np.complex64)
        spectrum *= self._amplitude
        # One axis at a time: irfft2 takes three times as long (numpy 2.4).
        columns_done = np.fft.ifft(spectrum, axis=0, norm="forward")
        plane = np.fft.irfft(columns_done, n=self._size, axis=1, norm="forward")
        return np.asarray(plane, dtype=np.float32)


def _window(centre_px: float, radius_px: int, size: int) -> slice:
    middle = round(centre_px)
    return slice(max(0, middle - radius_px), min(size, middle + radius_px + 1))


def _rotate(
    config: SimulatorConfig, dy: NDArray[np.float64], dx: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return offsets along and across the major axis; north is +y, east is -x."""
    angle_rad = math.radians(config.beam_pa_deg)
    along = dy * math.cos(angle_rad) - dx * math.sin(angle_rad)
    across = dy * math.sin(angle_rad) + dx * math.cos(angle_rad)
    return along, across


def _beam_power(
    config: SimulatorConfig, v: NDArray[np.float64], u: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the transform of the beam at frequencies `v`, `u` [1/px], 1 at the origin."""
    along, across = _rotate(config, v, u)
    major_px = config.beam_major_px / _FWHM_PER_SIGMA
    minor_px = config.beam_minor_px / _FWHM_PER_SIGMA
    exponent = (along * major_px) ** 2 + (across * minor_px) ** 2
    return np.asarray(np.exp(-2.0 * math.pi**2 * exponent), dtype=np.float64)
