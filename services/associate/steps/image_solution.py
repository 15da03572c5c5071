"""Position shift and flux factor of an image against the running catalogue; arrays only.

The shift is the densest place among the offsets of all pairs of a bright detection and a
catalogue source near it: the right pairs of an image have one offset, wrong pairs have any
(Groth 1986, AJ 91, 1244, uses the same concentration for triangles). Medians of the pairs there
refine it: they are robust against variable, new and blended sources.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sky.id_sets import unique_ids
from sky.neighbours import pairs_within

__all__ = ["APPLY_SIGMA", "MOST_DETECTIONS", "Fit", "FluxPairs", "find_flux_factor", "find_shift"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# The brightest detections tell as much as all of them, for a bounded time.
MOST_DETECTIONS = 300
# Significance from which a correction is applied [sigma].
APPLY_SIGMA = 3.0
# The part of the detections with a catalogue source near them that must agree on the shift.
_LEAST_AGREEMENT = 0.5
# Beyond the pairs that fall together by chance [sigma].
_CHANCE_SIGMA = 5.0
_ROUNDS = 4
# A normal distribution's sigma by its median absolute deviation, and the error of its median.
_MAD_TO_SIGMA, _MEDIAN_ERR = 1.4826, 1.2533
# Ratios of fluxes scatter less than this where they agree on a factor (natural logarithm).
_MOST_FLUX_SCATTER = 0.4
_CLIP_SIGMA = 3.0
_LEAST_FLUX_AGREEMENT = 0.6


@dataclass(frozen=True, slots=True)
class Fit:
    """A shift, its 1 sigma per axis [deg], and the pairs that it rests on, (k,) each.

    `n_near` counts the detections that had any catalogue source near them.
    """

    n_near: int
    east_deg: float = 0.0
    north_deg: float = 0.0
    err_deg: float = 0.0
    detection: IntArray | None = None
    source: IntArray | None = None


@dataclass(frozen=True, slots=True)
class FluxPairs:
    """Fluxes of the same sources in the image and in the catalogue, (k,) each, any unit."""

    flux: FloatArray
    flux_err: FloatArray
    catalogue: FloatArray
    catalogue_err: FloatArray


def find_shift(
    detections: FloatArray,
    sources: FloatArray,
    *,
    radius_deg: float,
    tolerance_deg: float,
    err_deg: float,
    min_sources: int,
) -> Fit:
    """Return the shift that brings most detections together with catalogue sources.

    Parameters
    ----------
    detections, sources : (n, 2) and (m, 2) float64
        Offsets to the east and north of the centre of the field [deg].
    radius_deg : float
        Largest shift that is searched [deg].
    tolerance_deg : float
        Pairs whose offsets are this close agree, per axis [deg].
    err_deg : float
        Typical 1 sigma of an offset, per axis: the shift is no better known than that [deg].
    min_sources : int
        Pairs that a shift needs [-].

    Returns
    -------
    Fit
        Without pairs where no shift has enough of them: too few, fewer than half of the
        detections that have a catalogue source near them, or no more than by chance.
    """
    if not len(detections) or not len(sources):
        return Fit(0)
    detection, source = pairs_within(detections, sources, radius_deg)
    n_near = unique_ids(detection).size
    if n_near < min_sources:
        return Fit(n_near)
    offsets = detections[detection] - sources[source]
    centre, n_peak = _densest(offsets, detection, tolerance_deg)
    chance = detection.size * min(4 * tolerance_deg**2 / (np.pi * radius_deg**2), 1.0)
    by_chance = radius_deg > 2 * tolerance_deg and n_peak < chance + _CHANCE_SIGMA * chance**0.5
    if n_peak < max(min_sources, _LEAST_AGREEMENT * n_near) or by_chance:
        return Fit(n_near)
    centre, scatter_deg, chosen = _refine(offsets, detection, centre, tolerance_deg)
    shift_err_deg = _MEDIAN_ERR * max(scatter_deg, err_deg) / chosen.size**0.5
    return Fit(
        n_near,
        float(centre[0]),
        float(centre[1]),
        shift_err_deg,
        detection[chosen],
        source[chosen],
    )


def _densest(offsets: FloatArray, detection: IntArray, half_deg: float) -> tuple[FloatArray, int]:
    """Return the centre of the square of side 2 `half_deg` with the pairs of most detections.

    Every pair is in four of the overlapping squares; a detection counts once in each. Of equal
    squares the one nearest to no shift wins.
    """
    cells = np.floor(offsets / half_deg).astype(np.int64)
    low = cells.min(axis=0) - 1
    n_rows = int(cells[:, 1].max() - low[1]) + 1
    columns, rows = (cells - low).T
    squares = np.concatenate(
        [(columns + east) * n_rows + rows + north for east in (0, -1) for north in (0, -1)]
    )
    # One number a pair of square and detection, and each once.
    n_detections = int(detection.max()) + 1
    members = unique_ids(squares * n_detections + np.tile(detection, 4))
    squares, counts = np.unique(members // n_detections, return_counts=True)
    centres = (np.stack([squares // n_rows, squares % n_rows], axis=1) + low + 1.0) * half_deg
    best = np.lexsort((np.hypot(centres[:, 0], centres[:, 1]), -counts))[0]
    return centres[best], int(counts[best])


def _refine(
    offsets: FloatArray, detection: IntArray, centre: FloatArray, half_deg: float
) -> tuple[FloatArray, float, IntArray]:
    """Return the median of the nearest pair of each detection, the scatter, and these pairs."""
    chosen = np.zeros(0, np.int64)
    for _ in range(_ROUNDS):
        distance = np.hypot(*(offsets - centre).T)
        inside = np.flatnonzero(distance <= 2**0.5 * half_deg)
        nearest = inside[np.lexsort((distance[inside], detection[inside]))]
        before, chosen = chosen, nearest[np.unique(detection[nearest], return_index=True)[1]]
        if np.array_equal(before, chosen):
            break
        centre = np.array([_median(offsets[chosen, 0]), _median(offsets[chosen, 1])])
    return centre, max(_sigma(offsets[chosen, 0]), _sigma(offsets[chosen, 1])), chosen


def _median(values: FloatArray) -> float:
    """Return the median of a few hundred numbers, at a fifth of the cost of `numpy.median`."""
    ordered = np.sort(values)
    middle = ordered.size // 2
    return float(ordered[middle] + ordered[-1 - middle]) / 2


def _sigma(values: FloatArray) -> float:
    """Return sigma by the median absolute deviation, without its bias in small samples.

    References
    ----------
    Croux & Rousseeuw (1992), Computational Statistics 1, 411: a factor of n / (n - 0.8).
    """
    deviation = _median(np.abs(values - _median(values)))
    return _MAD_TO_SIGMA * deviation * values.size / max(values.size - 0.8, 1.0)


def find_flux_factor(pairs: FluxPairs, *, min_sources: int) -> tuple[float, float, int] | None:
    """Return the factor of the flux scale, its 1 sigma, and how many sources it rests on.

    Parameters
    ----------
    pairs : FluxPairs
        Fluxes of the same sources; those that are not positive are left out.
    min_sources : int
        Sources that a factor needs [-].

    Returns
    -------
    (float, float, int) or None
        None for too few sources. A factor of 0: the ratios do not agree on one.

    Notes
    -----
    Every round judges all ratios again by the median of those that it kept before, so that a
    constant source that the first median excludes comes back. Up to 30 % of variable sources, all
    brighter than before, move a median by 0.6 sigma at most (Huber 1964, Ann. Math. Stat. 35,
    73); they do not make up the agreement of 60 % that a factor needs. Of seven sources, two
    variable ones leave no constant one to spare: 2 of 1000 such fields are refused.
    """
    usable = (
        (pairs.flux > 0) & (pairs.catalogue > 0)
        & np.isfinite(pairs.flux_err) & np.isfinite(pairs.catalogue_err)
    )  # fmt: skip
    if np.count_nonzero(usable) < min_sources:
        return None
    ratio = np.log(pairs.flux[usable] / pairs.catalogue[usable])
    formal = np.hypot(
        pairs.flux_err[usable] / pairs.flux[usable],
        pairs.catalogue_err[usable] / pairs.catalogue[usable],
    )
    kept = np.ones(ratio.size, np.bool_)
    for _ in range(_ROUNDS):
        middle = _median(ratio[kept])
        scatter = max(_sigma(ratio[kept]), _median(formal[kept]))
        middle_err = _MEDIAN_ERR * scatter / np.count_nonzero(kept) ** 0.5
        # Faint sources scatter more than the others: each is judged by its own error, too.
        allowed = _CLIP_SIGMA * np.hypot(np.maximum(scatter, formal), middle_err)
        before, kept = kept, np.abs(ratio - middle) <= allowed
        if np.array_equal(before, kept):
            break
    n = int(np.count_nonzero(kept))
    if scatter > _MOST_FLUX_SCATTER or n < max(_LEAST_FLUX_AGREEMENT * ratio.size, 1.0):
        return 0.0, 0.0, n
    factor = float(np.exp(_median(ratio[kept])))
    return factor, factor * _MEDIAN_ERR * scatter / n**0.5, n
