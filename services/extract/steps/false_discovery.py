"""The detection threshold for a given false discovery rate."""

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from services.extract.models import BeamShape, FinderParameters
from services.extract.steps.peaks import find_source_peaks
from sky.elementary_functions import exp

__all__ = ["expected_noise_peaks", "false_discovery_threshold"]

FloatArray = npt.NDArray[np.float64]

# Below it the expected number of peaks of noise is no longer that of separate ones.
_LOWEST_SIGMA = 3.0
# Beyond the last one noise makes no peak in any image.
_THRESHOLDS = np.arange(_LOWEST_SIGMA, 38.0, 0.01)


def false_discovery_threshold(
    pixels: npt.NDArray[np.float32],
    background_grid: FloatArray,
    rms_grid: FloatArray,
    beam: BeamShape,
    parameters: FinderParameters,
    *,
    is_signed: bool = False,
) -> float:
    """Return the lowest detection threshold at which few enough sources are expected to be noise.

    Above a threshold lie some of the peaks that pass as sources, and noise is expected to make a
    number of them; it may be at most `fdr_alpha` of all. What is counted are sources, not pixels.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    background_grid, rms_grid : (rows, columns) float64
        Without NaN [Jy/beam].
    beam : BeamShape
        The restoring beam: the autocorrelation of the noise.
    parameters : FinderParameters
        `fdr_alpha` is the rate; thresholds are replaced.
    is_signed : bool
        Whether negative sources count, too.

    Returns
    -------
    float
        In units of the local rms, at least 3; infinite if no source passes.

    References
    ----------
    Hopkins et al. (2002), AJ 123, 1086; Benjamini & Hochberg (1995), J. R. Stat. Soc. B 57, 289.
    """
    deep = replace(
        parameters,
        detection_threshold_sigma=_LOWEST_SIGMA,
        analysis_threshold_sigma=min(parameters.analysis_threshold_sigma, _LOWEST_SIGMA),
    )
    found = []
    for sign in (1, -1) if is_signed else (1,):
        image = pixels if sign == 1 else -pixels
        peaks = find_source_peaks(image, sign * background_grid, rms_grid, beam, deep)
        found.append((image[peaks.y, peaks.x] - peaks.background) / peaks.rms)
    significance = np.sort(np.concatenate(found))
    n_valid = int(np.count_nonzero(np.isfinite(pixels)))
    n_above = significance.size - np.searchsorted(significance, _THRESHOLDS)
    n_noise = len(found) * expected_noise_peaks(_THRESHOLDS, n_valid, beam)
    passing = (n_above > 0) & (n_noise <= (parameters.fdr_alpha or 0.0) * n_above)
    return float(_THRESHOLDS[passing].min()) if passing.any() else math.inf


def expected_noise_peaks(sigma: FloatArray, n_pixels: int, beam: BeamShape) -> FloatArray:
    """Return how many peaks above a threshold noise makes whose autocorrelation is the beam.

    Parameters
    ----------
    sigma : (n,) float64
        Thresholds, well above 1 [rms].
    n_pixels : int
        Area of the image [px].
    beam : BeamShape
        The beam.

    Returns
    -------
    (n,) float64
        The expected Euler characteristic of the pixels above each threshold.

    References
    ----------
    Adler (1981), The Geometry of Random Fields, section 6.9; Worsley et al. (1992), JCBFM 12, 900.
    """
    slope_variance = 8 * math.log(2) / (beam.major_px * beam.minor_px)
    density = slope_variance * (2 * math.pi) ** -1.5 * sigma * exp(-0.5 * sigma**2)
    return np.asarray(n_pixels * density, dtype=np.float64)
