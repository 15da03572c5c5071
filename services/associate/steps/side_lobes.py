"""Side lobes around bright sources: first detections at offsets that repeat in a few images."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import pdtrc

from schemas.messages import BoolArray, FloatArray, IntArray, SourceColumns
from sky.geometry import tangent_offsets

__all__ = ["find_side_lobes"]

# So much fainter than its bright source is a side lobe; the brightest detections are tried.
_FLUX_RATIO = 20.0
_MAX_HOSTS = 5
# Two offsets are the same within this part of the beam [major axes].
_SAME_BEAMS = 0.5
# Chance that unrelated detections repeat their offsets so often.
_CHANCE = 1e-4
_LEAST_DETECTIONS = 4
# A detection that its surroundings call likely false (flag `near_bright`) is a side lobe if its
# offset repeats once, where the odds of being true are no more than this.
_LIKELY_FALSE = 0.5
_TRUE_ODDS = 1e-3
# More first detections than this are a bad image: the limit of a storm suppresses them [-].
_MAX_DETECTIONS = 500


NONE_EARLIER = (np.empty(0), np.empty(0))


def find_side_lobes(
    sources: SourceColumns,
    first: IntArray,
    *,
    beam_deg: float,
    radius_beams: float,
    earlier: tuple[FloatArray, FloatArray] = NONE_EARLIER,
) -> BoolArray:
    """Return which first detections of an image are a family of side lobes.

    The response of an array is symmetric about a source, and the same about each: a lobe at an
    offset has another one opposite, or at that offset from the next bright source. A family is
    what repeats so more often than unrelated detections would. Lobes that pass the threshold one
    after the other are a family with those of the timesteps before. Where `p_false` of a detection
    says that it is likely an artefact, one other at its offset is enough.

    Parameters
    ----------
    sources : SourceColumns
        The detections of the image.
    first : (n,) int64
        Numbers of those at places without a source.
    beam_deg : float
        Major axis of its beam, FWHM [deg].
    radius_beams : float
        How far from a bright source its side lobes are looked for [major axes]; 0: nowhere.
    earlier : pair of (m,) float64
        Right ascension and declination of first detections of the timesteps before [deg].

    Returns
    -------
    (n,) bool
        False where fewer than four repeat their offsets and `p_false` is low.

    References
    ----------
    Thompson, Moran & Swenson (2017), Interferometry and Synthesis in Radio Astronomy, ch. 10.
    """
    n = first.size + earlier[0].size
    found = np.zeros(n, np.bool_)
    if not first.size or not 2 <= n <= _MAX_DETECTIONS or radius_beams <= 0:
        return found[: first.size]
    hosts = np.argsort(-np.abs(sources.flux_peak_jy_beam), kind="stable")[:_MAX_HOSTS].tolist()
    points = _to_points(sources, first, earlier)
    bright = _to_points(sources, np.array(hosts), NONE_EARLIER).T
    same = [
        _offsets(points, each, beam_deg=beam_deg, radius_beams=radius_beams) for each in bright
    ]
    for number, each in enumerate(same):
        is_lobe, _ = _find_repeated(each.opposite(), each, radius_beams, n_counted=2)
        found[each.number[is_lobe]] = True
        for other in same[number + 1 :]:
            is_lobe, is_other = _find_repeated(each, other, radius_beams, n_counted=1)
            found[each.number[is_lobe]] = True
            found[other.number[is_other]] = True
    return found[: first.size]


def _to_points(
    sources: SourceColumns, first: IntArray, earlier: tuple[FloatArray, FloatArray]
) -> FloatArray:
    """Return position [deg], flux and `p_false` of first detections (4, n).

    Earlier ones count as faint, and `p_false` as unknown: NaN.
    """
    p_false = sources.p_false if sources.p_false.size else np.zeros(len(sources))
    flux = np.abs(sources.flux_peak_jy_beam[first])
    now = [sources.ra[first], sources.dec[first], flux, np.nan_to_num(p_false[first])]
    n = earlier[0].size
    before = [*earlier, np.zeros(n), np.full(n, np.nan)]
    return np.stack([np.concatenate(pair) for pair in zip(now, before, strict=True)])


@dataclass(frozen=True, slots=True)
class _Offsets:
    """Faint points near a bright source: offsets (2, k) [major axes], `p_false`, numbers."""

    offset: FloatArray
    p_false: FloatArray
    number: IntArray

    def opposite(self) -> "_Offsets":
        """Return the same on the other side of the source."""
        return replace(self, offset=-self.offset)


def _offsets(
    points: FloatArray, bright: FloatArray, *, beam_deg: float, radius_beams: float
) -> _Offsets:
    """Return the faint points around a bright source."""
    ra, dec, flux, p_false = points
    east, north = tangent_offsets(
        np.full(ra.size, bright[0]), np.full(ra.size, bright[1]), ra, dec
    )
    offsets = np.stack([east, north]) / beam_deg
    away = np.hypot(*offsets)
    # An earlier point may be the bright source itself.
    is_near = (away > _SAME_BEAMS) & (away <= radius_beams)
    near = np.flatnonzero(is_near & (flux * _FLUX_RATIO <= bright[2]))
    return _Offsets(offsets[:, near], p_false[near], near)


def _find_repeated(
    one: _Offsets, other: _Offsets, radius_beams: float, *, n_counted: int
) -> tuple[BoolArray, BoolArray]:
    """Return which of n and of m points repeat offsets of the others, more than chance makes.

    Each pair is counted `n_counted` times.
    """
    away = np.hypot(*(one.offset[:, :, None] - other.offset[:, None, :]))
    pairs: BoolArray = away <= _SAME_BEAMS
    n_pairs = int(np.count_nonzero(pairs)) // n_counted
    chance = (_SAME_BEAMS / radius_beams) ** 2
    is_family = 2 * n_pairs >= _LEAST_DETECTIONS and (
        pdtrc(n_pairs - 1, pairs.size / n_counted * chance) <= _CHANCE
    )
    return (
        pairs.any(axis=1) & (is_family | _is_doubted(one, other.number.size * chance)),
        pairs.any(axis=0) & (is_family | _is_doubted(other, one.number.size * chance)),
    )


def _is_doubted(points: _Offsets, chance: float) -> BoolArray:
    """Return which points are likely false, and hardly true if their offset repeats.

    By Bayes' theorem: the odds of being true before, times the chance that an unrelated detection
    is at a given offset; that an artefact repeats is taken for granted.
    """
    p_false = np.nan_to_num(points.p_false)
    return (p_false >= _LIKELY_FALSE) & ((1 - p_false) * chance <= _TRUE_ODDS * p_false)
