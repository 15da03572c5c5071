"""The detection threshold for a given false discovery rate."""

import math

import numpy as np
import numpy.typing as npt

from services.extract.kernels.histogram import significance_histogram

__all__ = ["false_discovery_threshold"]

FloatArray = npt.NDArray[np.float64]

_BIN_SIGMA = 0.01
_MAX_SIGMA = 38.0  # beyond it the probability is 0 in double precision


def false_discovery_threshold(
    pixels: npt.NDArray[np.float32],
    background_grid: FloatArray,
    rms_grid: FloatArray,
    beam_area_px: float,
    alpha: float,
) -> float:
    """Return the detection threshold for a false discovery rate.

    The pixels are sorted by the probability p that they are noise, and the last one with
    p < alpha / C i / N, i its rank of N, sets the threshold; C is the sum of 1/k over the
    pixels that the beam correlates. A histogram with bins of 0.01 sigma replaces the sorting.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    background_grid, rms_grid : (rows, columns) float64
        Without NaN [Jy/beam].
    beam_area_px : float
        Pixels whose noise is correlated [px].
    alpha : float
        False discovery rate: fraction of false pixels among those above the threshold, 0 to 1.

    Returns
    -------
    float
        In units of the local rms; infinite if no pixel passes.

    References
    ----------
    Hopkins et al. (2002), AJ 123, 1086.
    """
    counts = np.zeros(round(_MAX_SIGMA / _BIN_SIGMA) + 1, np.int64)
    n_pixels = significance_histogram(pixels, background_grid, rms_grid, _BIN_SIGMA, counts)
    thresholds = np.arange(counts.size) * _BIN_SIGMA
    rank = np.cumsum(counts[::-1])[::-1]
    p_noise = np.array([0.5 * math.erfc(sigma / math.sqrt(2)) for sigma in thresholds])
    correlated = np.sum(1.0 / np.arange(1, max(2, round(beam_area_px) + 1)))
    passing = (rank > 0) & (p_noise < alpha / correlated * rank / max(n_pixels, 1))
    return float(thresholds[passing].min()) if passing.any() else math.inf
