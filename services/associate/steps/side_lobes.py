"""Side lobes around bright sources: first detections at offsets that repeat in a few images."""

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
# More first detections than this are a bad image: the limit of a storm holds them [-].
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
    after the other are a family with those of the timesteps before.

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
        False for all where fewer than four repeat their offsets.

    References
    ----------
    Thompson, Moran & Swenson (2017), Interferometry and Synthesis in Radio Astronomy, ch. 10.
    """
    n = first.size + earlier[0].size
    found = np.zeros(n, np.bool_)
    if not first.size or not _LEAST_DETECTIONS <= n <= _MAX_DETECTIONS or radius_beams <= 0:
        return found[: first.size]
    hosts = np.argsort(-np.abs(sources.flux_peak_jy_beam), kind="stable")[:_MAX_HOSTS].tolist()
    points = _to_points(sources, first, earlier)
    bright = _to_points(sources, np.array(hosts), NONE_EARLIER).T
    same = [
        _offsets(points, each, beam_deg=beam_deg, radius_beams=radius_beams) for each in bright
    ]
    for number, (offset, near) in enumerate(same):
        pairs = _find_repeated(-offset, offset, radius_beams, n_counted=2)
        found[near[pairs.any(axis=1)]] = True
        for other, there in same[number + 1 :]:
            pairs = _find_repeated(offset, other, radius_beams, n_counted=1)
            found[near[pairs.any(axis=1)]] = True
            found[there[pairs.any(axis=0)]] = True
    return found[: first.size]


def _to_points(
    sources: SourceColumns, first: IntArray, earlier: tuple[FloatArray, FloatArray]
) -> FloatArray:
    """Return position [deg] and flux of first detections (3, n); earlier ones count as faint."""
    now = [sources.ra[first], sources.dec[first], np.abs(sources.flux_peak_jy_beam[first])]
    before = [*earlier, np.zeros(earlier[0].size)]
    return np.stack([np.concatenate(pair) for pair in zip(now, before, strict=True)])


def _offsets(
    points: FloatArray, bright: FloatArray, *, beam_deg: float, radius_beams: float
) -> tuple[FloatArray, IntArray]:
    """Return offsets (2, k) from a bright source [major axes], and whose they are: faint ones."""
    ra, dec, flux = points
    east, north = tangent_offsets(
        np.full(ra.size, bright[0]), np.full(ra.size, bright[1]), ra, dec
    )
    offsets = np.stack([east, north]) / beam_deg
    away = np.hypot(*offsets)
    # An earlier point may be the bright source itself.
    is_near = (away > _SAME_BEAMS) & (away <= radius_beams)
    near = np.flatnonzero(is_near & (flux * _FLUX_RATIO <= bright[2]))
    return offsets[:, near], near


def _find_repeated(
    one: FloatArray, other: FloatArray, radius_beams: float, *, n_counted: int
) -> BoolArray:
    """Return which offsets (2, n) and (2, m) are the same, (n, m); none if chance makes as many.

    Each pair is counted `n_counted` times.
    """
    away = np.hypot(*(one[:, :, None] - other[:, None, :]))
    pairs: BoolArray = away <= _SAME_BEAMS
    n_pairs = int(np.count_nonzero(pairs)) // n_counted
    expected = pairs.size / n_counted * (_SAME_BEAMS / radius_beams) ** 2
    is_family = 2 * n_pairs >= _LEAST_DETECTIONS and pdtrc(n_pairs - 1, expected) <= _CHANCE
    return pairs if is_family else np.zeros_like(pairs)
