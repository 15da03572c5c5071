"""How well a catalogue agrees with the truth, with statistical errors and bars."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from benchmarks.extraction.skies.bounds import position_information
from benchmarks.extraction.skies.draw import RMS_JY_BEAM, DrawnSky, to_beams
from schemas.messages import SourceColumns

__all__ = ["Compared", "Value", "compare", "score"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# A source is found if an entry lies so near, an entry is true if it belongs to a source [FWHM].
_FOUND_BEAMS, _TRUE_BEAMS = 0.7, 1.0
_BRIGHT_SNR, _POSITION_SNR, _HIGH_SNR = 8.0, 10.0, 20.0
_PULL = (0.9, 1.1)
_BIAS_PERCENT = (-0.3, 0.3)
# The 16 and 84 % quantiles of a normal distribution, and the error of half their distance.
_QUANTILES, _QUANTILE_ERROR = (0.158655, 0.841345), 0.962


@dataclass(frozen=True, slots=True)
class Value:
    """A figure with its statistical error (1 sigma) and the bar that it has to keep."""

    name: str
    figure: float
    error: float
    bar: tuple[float, float]

    @property
    def is_kept(self) -> bool:
        """Return whether the figure itself keeps the bar, whatever its error."""
        return self.bar[0] <= self.figure <= self.bar[1]


@dataclass(frozen=True, slots=True)
class Compared:
    """A catalogue beside the truth of its image.

    Parameters
    ----------
    is_found : (n,) bool
        Of the sources above 8 sigma.
    is_true : (n,) bool
        Of the entries: of several at one source one is.
    snr : (m,) float64
        True S/N of the clean sources above 8 sigma that were found.
    excess : (m,) float64
        Measured over true peak flux, minus 1.
    pulls : (m, 4) float64
        Residuals over quoted errors: peak flux, integrated flux, to the east, to the north.
    squared : (m,) float64
        Squared distance over its expectation for the least possible errors.
    """

    is_found: NDArray[np.bool_]
    is_true: NDArray[np.bool_]
    snr: FloatArray
    excess: FloatArray
    pulls: FloatArray
    squared: FloatArray


def compare(sky: DrawnSky, sources: SourceColumns) -> Compared:
    """Compare the catalogue of an image with what was drawn.

    Parameters
    ----------
    sky : DrawnSky
        The image and its truth.
    sources : SourceColumns
        What the finder returned.
    """
    beam = sky.kind.beam
    x, y = sky.wcs.all_world2pix(sources.ra, sources.dec, 0)
    truth, entries = to_beams(beam, sky.x, sky.y), to_beams(beam, x, y)
    distance, entry = cKDTree(entries).query(truth, distance_upper_bound=_FOUND_BEAMS)
    is_bright, is_near = np.abs(sky.snr) >= _BRIGHT_SNR, np.isfinite(distance)
    use = np.flatnonzero(sky.is_clean & is_bright & is_near)
    at = entry[use]
    peak, places = RMS_JY_BEAM * sky.snr[use], np.stack([x[at] - sky.x[use], y[at] - sky.y[use]])
    east, north = _offsets_deg(sky, use, sources, at)
    information = position_information(beam, sky.x[use], sky.y[use])
    squared = np.einsum("in,nij,jn->n", places, information, places) * sky.snr[use] ** 2 / 2
    pulls = (
        (sources.flux_peak_jy_beam[at] - peak) / sources.flux_peak_err_jy_beam[at],
        (sources.flux_int_jy[at] - peak) / sources.flux_int_err_jy[at],
        east / sources.ra_err_deg[at],
        north / sources.dec_err_deg[at],
    )
    return Compared(
        is_near[is_bright], _are_true(truth, entries), np.abs(sky.snr[use]),
        sources.flux_peak_jy_beam[at] / peak - 1, np.stack(pulls, axis=1), squared,
    )  # fmt: skip


def _are_true(truth: FloatArray, entries: FloatArray) -> NDArray[np.bool_]:
    """Return which entries belong to a source: pairs by their distance, each source once."""
    pairs = cKDTree(entries).sparse_distance_matrix(
        cKDTree(truth), _TRUE_BEAMS, output_type="coo_matrix"
    )
    is_true = np.zeros(len(entries), np.bool_)
    is_taken = np.zeros(len(truth), np.bool_)
    for pair in np.argsort(pairs.data, kind="stable"):
        entry, source = pairs.row[pair], pairs.col[pair]
        if not is_true[entry] and not is_taken[source]:
            is_true[entry] = is_taken[source] = True
    return is_true


def _offsets_deg(
    sky: DrawnSky, use: IntArray, sources: SourceColumns, at: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return how far entries are to the east and to the north of their sources [deg]."""
    ra, dec = sky.wcs.all_pix2world(sky.x[use], sky.y[use], 0)
    true = SkyCoord(ra, dec, unit="deg")
    found = SkyCoord(sources.ra[at], sources.dec[at], unit="deg")
    east, north = true.spherical_offsets_to(found)
    return east.deg, north.deg


def score(all_compared: Sequence[Compared]) -> list[Value]:
    """Return the figures of the images of a sky, taken together.

    Parameters
    ----------
    all_compared : sequence of Compared
        One for each image.

    Returns
    -------
    list of Value
        C8 is the completeness of sources above 8 sigma, R5 the reliability of entries above 5;
        biases are in percent, weighted by the squared S/N; pulls are half the distance of the 16
        and 84 % quantiles.
    """
    is_found, is_true, snr, excess, pulls, squared = (
        np.concatenate([getattr(each, name) for each in all_compared])
        for name in ("is_found", "is_true", "snr", "excess", "pulls", "squared")
    )
    is_high = snr >= _HIGH_SNR
    return [
        _share("C8", is_found, 0.99),
        _share("R5", is_true, 0.995),
        _position(squared[snr >= _POSITION_SNR]),
        _bias("bias 8-20", excess[~is_high], snr[~is_high]),
        _bias("bias >20", excess[is_high], snr[is_high]),
        *(
            Value(name, _spread(column), _QUANTILE_ERROR / math.sqrt(column.size), _PULL)
            for name, column in zip(("peak", "flux", "east", "north"), pulls.T, strict=True)
        ),
    ]


def _share(name: str, is_good: NDArray[np.bool_], least: float) -> Value:
    share = float(is_good.mean())
    # That of one more where none is missing.
    error = math.sqrt(max(share * (1 - share), 1 / is_good.size) / is_good.size)
    return Value(name, share, error, (least, 1.0))


def _position(squared: FloatArray) -> Value:
    ratio = math.sqrt(float(squared.mean()))
    return Value("pos/bound", ratio, ratio / math.sqrt(4 * squared.size), (0.0, 1.1))


def _bias(name: str, excess: FloatArray, snr: FloatArray) -> Value:
    weights = snr**2 / (snr**2).sum()
    mean = float((weights * excess).sum())
    error = math.sqrt(float((weights**2 * (excess - mean) ** 2).sum()))
    return Value(name, 100 * mean, 100 * error, _BIAS_PERCENT)


def _spread(values: FloatArray) -> float:
    low, high = np.quantile(values, _QUANTILES)
    return float(high - low) / 2
