"""A generated field with its truth: sources at random places, noise correlated by the beam."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from livetrap.simulator.beam import NoiseMaker, make_stamp
from livetrap.simulator.config import SimulatorConfig
from livetrap.simulator.image import make_header, utc_isot

__all__ = ["RMS_JY_BEAM", "GeneratedField", "generate_field", "to_fits"]

FloatArray = NDArray[np.float64]

RMS_JY_BEAM = 1e-3
_COUNTS_SLOPE = 1.5  # of N(>S), Euclidean
_MAX_SNR = 1000.0
_MARGIN_PX = 16
_SHARE_EXTENDED, _SHARE_BLENDED = 0.03, 0.03


@dataclass(frozen=True, slots=True)
class GeneratedField:
    """An image and what is in it; positions in pixels, fluxes in Jy.

    `is_clean` marks point sources with no other source within 4 beams.
    """

    config: SimulatorConfig
    pixels: NDArray[np.float32]
    x: FloatArray
    y: FloatArray
    peak: FloatArray
    flux: FloatArray
    is_clean: NDArray[np.bool_]


def generate_field(
    size: int, n_sources: int, seed: int, *, mixed: bool, min_snr: float = 3.0
) -> GeneratedField:
    """Return a field of `n_sources` with Euclidean counts from `min_snr` up.

    Parameters
    ----------
    size : int
        Side [px].
    n_sources : int
        How many.
    seed : int
        The same seed gives the same field.
    mixed : bool
        With 3 % extended sources and 3 % in pairs 1.5 beams apart; else points only.
    min_snr : float
        Faintest source [rms].
    """
    rng = np.random.default_rng([size, n_sources, seed])
    config = SimulatorConfig(size=size, seed=seed, images=1, rms_jy_beam=RMS_JY_BEAM)
    x, y = rng.uniform(_MARGIN_PX, size - 1 - _MARGIN_PX, (2, n_sources))
    share = rng.random(n_sources) * (1 - (min_snr / _MAX_SNR) ** _COUNTS_SLOPE)
    peak = RMS_JY_BEAM * min_snr * (1 - share) ** (-1 / _COUNTS_SLOPE)
    growth = np.ones(n_sources)
    if mixed:
        kind = rng.random(n_sources)
        extended = kind < _SHARE_EXTENDED
        growth[extended] = rng.uniform(1.2, 2.0, extended.sum())
        second = np.flatnonzero(kind > 1 - _SHARE_BLENDED)
        second = second[second > 0]
        angle = rng.uniform(0, 2 * math.pi, second.size)
        x[second] = np.clip(x[second - 1] + 7.5 * np.cos(angle), _MARGIN_PX, size - _MARGIN_PX)
        y[second] = np.clip(y[second - 1] + 7.5 * np.sin(angle), _MARGIN_PX, size - _MARGIN_PX)
    pixels = NoiseMaker(config).draw(rng) * np.float32(RMS_JY_BEAM)
    for number in range(n_sources):
        shape = config
        if growth[number] > 1:
            shape = SimulatorConfig(
                size=size,
                images=1,
                beam_major_px=config.beam_major_px * growth[number],
                beam_minor_px=config.beam_minor_px * growth[number],
            )
        stamp = make_stamp(shape, y[number], x[number])
        pixels[stamp.rows, stamp.columns] += np.float32(peak[number]) * stamp.pixels
    points = np.stack([x, y], axis=1)
    nearest = cKDTree(points).query(points, k=2)[0][:, 1]
    clean = (growth == 1) & (nearest > 4 * config.beam_major_px)
    return GeneratedField(config, pixels, x, y, peak, peak * growth**2, clean)


def to_fits(field: GeneratedField) -> bytes:
    """Return the field as the bytes of a FITS file."""
    config = field.config
    header = make_header(config, config.bands_hz[0], utc_isot(config.time_start(0)))
    pixels = field.pixels.astype(">f4").tobytes()
    return header.tostring().encode() + pixels + bytes(-len(pixels) % 2880)
