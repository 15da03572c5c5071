"""What looks back make of constant sources: simulated fluxes, with seeds, errors of 1."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from runtime.settings import AssociateSettings
from services.associate.steps.look_back import find_change_sigma, least_change_sigma

__all__ = [
    "THRESHOLD_SIGMA",
    "LookedBack",
    "is_new_source",
    "look_back_at_constants",
    "look_back_at_random",
    "print_look_backs",
]

FloatArray = npt.NDArray[np.float64]
THRESHOLD_SIGMA = 8.0
_CHUNK = 100_000


def is_new_source(
    now: FloatArray, earlier: FloatArray, settings: AssociateSettings
) -> npt.NDArray[np.bool_]:
    """Return which fluxes are new after a look back: at the last images, and at the first one.

    Parameters
    ----------
    now : (n,) float64
        Fluxes of first detections, errors of 1.
    earlier : (n, k) float64
        Fluxes at their places in the images before, in order; the first image is the deepest.
    settings : AssociateSettings
        How many images are looked at.
    """
    first = max(earlier.shape[1] - settings.lookback_images, 1)
    looked = np.column_stack([earlier[:, :1], earlier[:, first:]])
    ones = np.ones_like(looked)
    sigma = find_change_sigma(now, np.ones(now.size), looked, ones, settings)
    return sigma >= least_change_sigma(settings)


@dataclass(frozen=True, slots=True)
class LookedBack:
    """What looks back make of constant sources: looks, first detections, and those announced."""

    n_looks: int
    n_detected: int
    n_announced: int
    n_announced_by_limit: int

    def __str__(self) -> str:
        """Return it as text."""
        return (
            f"{self.n_looks} looks, {self.n_detected} first detections, {self.n_announced} "
            f"announced ({self.n_announced_by_limit} by the limit of the first image alone)"
        )


def look_back_at_constants(
    settings: AssociateSettings, *, seed: int, n_sources: int, levels: tuple[float, float],
    n_bands: int = 1, n_steps: int = 10,
) -> LookedBack:  # fmt: skip
    """Return what is announced of constant sources that are first detected by their noise.

    Each is looked at until its first detection, in all bands at once; the band of the highest
    S/N looks back. In the first image there is nothing to look back at, and nothing is announced.
    """
    rng = np.random.default_rng(seed)
    level = rng.uniform(*levels, n_sources)
    flux = level[:, None, None] + rng.normal(0, 1, (n_sources, n_steps, n_bands))
    brightest = flux.max(axis=2)
    is_detected = brightest >= THRESHOLD_SIGMA
    first = np.where(is_detected.any(axis=1), is_detected.argmax(axis=1), n_steps)
    n_announced = n_by_limit = 0
    limit = THRESHOLD_SIGMA + settings.new_source_sigma_margin
    for step in range(1, n_steps):
        chosen = np.flatnonzero(first == step)
        curve = flux[chosen, :, flux[chosen, step].argmax(axis=1)]
        n_announced += np.count_nonzero(is_new_source(curve[:, step], curve[:, :step], settings))
        n_by_limit += np.count_nonzero(curve[:, step] > limit)
    return LookedBack(
        n_looks=n_bands * int(np.minimum(first + 1, n_steps).sum()),
        n_detected=int(np.count_nonzero((first > 0) & (first < n_steps))),
        n_announced=int(n_announced),
        n_announced_by_limit=int(n_by_limit),
    )


def look_back_at_random(settings: AssociateSettings, *, seed: int, n_looks: int) -> int:
    """Return how many looks back at constant sources of 5 to 100 sigma call them new."""
    rng = np.random.default_rng(seed)
    n_announced = 0
    for first in range(0, n_looks, _CHUNK):
        n = min(_CHUNK, n_looks - first)
        flux = rng.uniform(5, 100, n)[:, None] + rng.normal(
            0, 1, (n, settings.lookback_images + 2)
        )
        n_announced += np.count_nonzero(is_new_source(flux[:, -1], flux[:, :-1], settings))
    return int(n_announced)


def print_look_backs(settings: AssociateSettings, *, seed: int, is_full: bool) -> None:
    """Print what looks back make of constant sources."""
    n_looks = 10_000_000 if is_full else 1_000_000
    n_false = look_back_at_random(settings, seed=seed, n_looks=n_looks)
    print(f"of {n_looks} looks back at constant sources: {n_false} call them new")
    around = look_back_at_constants(
        settings, seed=seed, n_sources=n_looks // 10, levels=(4.0, 10.0)
    )
    print(f"constant sources of 4 to 10 sigma: {around}")
    n_repeated = 1000 if is_full else 100
    steady = [
        look_back_at_constants(
            settings, seed=seed + number, n_sources=45, levels=(8.0, 8.0), n_bands=4, n_steps=30
        )
        for number in range(n_repeated)
    ]
    n_announced = sum(each.n_announced for each in steady)
    n_by_limit = sum(each.n_announced_by_limit for each in steady)
    print(
        f"45 steady sources of 8 sigma in 4 bands and 30 steps, {n_repeated} times: "
        f"{n_announced} announced "
        f"({n_by_limit} by the limit of the first image alone)"
    )
