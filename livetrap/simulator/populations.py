"""Random draws of positions, signal-to-noise ratios and light curves."""

import math

import numpy as np
from numpy.typing import NDArray

from livetrap.simulator.config import ENDLESS_BLOCK_TIMESTEPS, SimulatorConfig
from livetrap.simulator.light_curves import Boxcar, Burst, LightCurve, RedNoise, Sinusoid

__all__ = [
    "draw_burst",
    "draw_flash",
    "draw_fresh_sites",
    "draw_sites",
    "draw_snr",
    "draw_variable",
]

_COUNTS_SLOPE = 1.5  # N(>S) ~ S^-1.5: a Euclidean universe
# Sites are 6 beams apart and are moved by less than 1: sources are over 4 beams apart.
_SITE_PITCH_BEAMS = 6.0
_SITE_JITTER_BEAMS = 0.98
_FRESH_PITCH_BEAMS = 1.5  # apart in the catalogue
_FRESH_CLEAR_BEAMS = 3.0  # apart in the image
_MAX_FRESH_SITES = 2000
_SHORTEST_BURST = 10  # timesteps that a slow transient needs before the run ends


def draw_sites(config: SimulatorConfig, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return shuffled positions with a least distance from each other and from the edge.

    Parameters
    ----------
    config : SimulatorConfig
        Image size, margin and beam.
    rng : numpy.random.Generator
        Random number generator.

    Returns
    -------
    (n, 2) float64
        y, x, 0-based [px].
    """
    jitter_px = _SITE_JITTER_BEAMS * config.beam_major_px
    low_px = config.margin_px + jitter_px
    high_px = config.size - 1 - low_px
    pitch_px = _SITE_PITCH_BEAMS * config.beam_major_px
    n_side = max(0, int((high_px - low_px) // pitch_px) + 1)
    centres_px = low_px + np.linspace(0.0, high_px - low_px, n_side)
    grid_px = np.stack(np.meshgrid(centres_px, centres_px, indexing="ij"), axis=-1)
    sites_px = grid_px.reshape(-1, 2) + rng.uniform(-jitter_px, jitter_px, (n_side**2, 2))
    return np.asarray(rng.permutation(sites_px), dtype=np.float64)


def draw_fresh_sites(
    config: SimulatorConfig,
    rng: np.random.Generator,
    taken_px: NDArray[np.float64],
    n_at_once: int,
) -> NDArray[np.float64]:
    """Return positions for successive transients, as many as can be resolved in the image.

    Parameters
    ----------
    config : SimulatorConfig
        Image size, margin and beam.
    rng : numpy.random.Generator
        Random number generator.
    taken_px : (k, 2) float64
        Positions of the persistent sources; none is near them [px].
    n_at_once : int
        Any so many successive positions have the least distance from each other.

    Returns
    -------
    (n, 2) float64
        y, x, 0-based [px]; none if none fits.
    """
    pitch_px = _FRESH_PITCH_BEAMS * config.beam_major_px
    clear_px = _FRESH_CLEAR_BEAMS * config.beam_major_px
    axis_px = np.arange(config.margin_px, config.size - config.margin_px, pitch_px)
    grid_px = np.stack(np.meshgrid(axis_px, axis_px, indexing="ij"), axis=-1).reshape(-1, 2)
    shuffled_px = rng.permutation(grid_px)[:_MAX_FRESH_SITES]
    free = [site for site in shuffled_px if _is_clear(site, taken_px, clear_px)]
    chosen: list[NDArray[np.float64]] = []
    while free:
        recent_px = np.array(chosen[-n_at_once:]).reshape(-1, 2)
        clear = (n for n, site in enumerate(free) if _is_clear(site, recent_px, clear_px))
        nth = next(clear, None)
        if nth is None:
            break
        chosen.append(free.pop(nth))
    return np.array(chosen, dtype=np.float64).reshape(-1, 2)


def _is_clear(
    site_px: NDArray[np.float64], others_px: NDArray[np.float64], distance_px: float
) -> bool:
    return bool((np.hypot(*(others_px - site_px).T) >= distance_px).all())


def draw_snr(rng: np.random.Generator, low: float, high: float) -> float:
    """Return a signal-to-noise ratio from Euclidean source counts, cut at both ends."""
    share = rng.random() * (1.0 - (low / high) ** _COUNTS_SLOPE)
    return float(low * (1.0 - share) ** (-1.0 / _COUNTS_SLOPE))


def draw_variable(rng: np.random.Generator, index: int) -> LightCurve:
    """Return a sinusoid or red noise in turns; neither falls below 40 % of its mean."""
    if index % 2 == 0:
        return Sinusoid(
            amplitude=float(rng.uniform(0.4, 0.6)),
            period_timesteps=float(rng.uniform(10.0, 40.0)),
            phase_rad=float(rng.uniform(0.0, 2.0 * math.pi)),
        )
    periods = rng.uniform(0.8, 1.25, 6) * np.array([64.0, 37.0, 23.0, 13.0, 7.0, 5.0])
    return RedNoise(
        tuple(
            Sinusoid(
                amplitude=float(0.6 * period / periods.sum()),
                period_timesteps=float(period),
                phase_rad=float(phase),
            )
            for period, phase in zip(periods, rng.uniform(0.0, 2.0 * math.pi, 6), strict=True)
        )
    )


def draw_flash(rng: np.random.Generator, first: int, timesteps_left: int) -> Boxcar:
    """Return a transient of 1 to 3 timesteps that ends within the run."""
    longest = min(3, max(1, timesteps_left))
    return Boxcar(first, first + int(rng.integers(1, longest + 1)) - 1)


def draw_burst(rng: np.random.Generator, first: int, timesteps_left: int) -> Burst | None:
    """Return a transient of tens of timesteps that peaks within the run; None near its end."""
    if timesteps_left < _SHORTEST_BURST:
        return None
    longest_rise = min(15, timesteps_left // 2)
    return Burst(
        first=first,
        rise_timesteps=int(rng.integers(4, longest_rise + 1)),
        # Rise and decay end within one block, so that a timestep needs only the last two.
        decay_timesteps=float(rng.uniform(8.0, 0.25 * ENDLESS_BLOCK_TIMESTEPS)),
    )
