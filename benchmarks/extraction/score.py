"""How well a list of sources agrees with the truth."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from benchmarks.extraction.measured import Measured
from benchmarks.extraction.sky import RMS_JY_BEAM, GeneratedField

__all__ = ["Score", "score"]

FloatArray = NDArray[np.float64]

_FWHM_PER_SIGMA = math.sqrt(8 * math.log(2))


@dataclass(frozen=True, slots=True)
class Score:
    """Figures of one finder over several fields; NaN where it gives no such column.

    `completeness_8` of sources truly above 8 sigma; `reliability_5` of what was reported;
    `position_ratio` is the rms error over the bound of Condon (1997) at 10 sigma and more;
    biases are medians of measured / true - 1 above 8 sigma; pulls are standard deviations of
    residuals over quoted errors (from the 16 and 84 % quantiles). Ratios, biases and pulls are
    of point sources that stand alone.
    """

    n_found: int
    completeness_8: float
    reliability_5: float
    position_ratio: float
    peak_bias: float
    flux_bias: float
    peak_pull: float
    flux_pull: float
    x_pull: float
    y_pull: float


def score(results: list[tuple[GeneratedField, Measured]]) -> Score:
    """Return the figures of a finder on some fields, taken together."""
    matched = [_match(field, found) for field, found in results]
    is_bright = np.concatenate([field.peak >= 8 * RMS_JY_BEAM for field, _ in results])
    is_found = np.concatenate([index >= 0 for index, _ in matched])
    is_true = np.concatenate([true for _, true in matched])
    table = np.concatenate(
        [
            _residuals(field, found, index)
            for (field, found), (index, _) in zip(results, matched, strict=True)
        ]
    )
    snr, *_ = table.T
    at_8, at_10 = table[snr >= 8], table[snr >= 10]
    _, peak, flux, peak_pull, flux_pull, x_pull, y_pull, _, _ = at_8.T
    return Score(
        n_found=is_true.size,
        completeness_8=float(is_found[is_bright].mean()),
        reliability_5=float(is_true.mean()),
        position_ratio=float(np.sqrt((at_10[:, 7] ** 2 + at_10[:, 8] ** 2).mean() / 2)),
        peak_bias=float(np.median(peak)),
        flux_bias=float(np.median(flux)),
        peak_pull=_spread(peak_pull),
        flux_pull=_spread(flux_pull),
        x_pull=_spread(x_pull),
        y_pull=_spread(y_pull),
    )


def _match(field: GeneratedField, found: Measured) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the nearest detection of each true source (or -1), and which ones are true."""
    radius_px = 0.7 * field.config.beam_major_px
    truth = np.stack([field.x, field.y], axis=1)
    ours = np.stack([found.x, found.y], axis=1)
    finite = np.isfinite(ours).all(axis=1)
    ours[~finite] = -1e6
    distance, index = cKDTree(ours).query(truth, distance_upper_bound=radius_px)
    to_truth, _ = cKDTree(truth).query(ours, distance_upper_bound=field.config.beam_major_px)
    return np.where(np.isfinite(distance), index, -1), np.isfinite(to_truth)


def _residuals(field: GeneratedField, found: Measured, index: NDArray[np.int64]) -> FloatArray:
    """Return a row for each clean source found: its S/N, relative and normalised residuals."""
    use = field.is_clean & (index >= 0)
    at = index[use]
    snr = field.peak[use] / RMS_JY_BEAM
    dx, dy = found.x[at] - field.x[use], found.y[at] - field.y[use]
    sigma_x, sigma_y = _bound_px(field, snr)
    peak, flux = found.peak[at] - field.peak[use], found.flux[at] - field.flux[use]
    return np.stack(
        [
            snr, peak / field.peak[use], flux / field.flux[use],
            peak / found.peak_err[at], flux / found.flux_err[at],
            dx / found.x_err[at], dy / found.y_err[at], dx / sigma_x, dy / sigma_y,
        ],
        axis=1,
    )  # fmt: skip


def _bound_px(field: GeneratedField, snr: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the smallest possible errors of a position for noise correlated by the beam [px]."""
    config = field.config
    along = config.beam_major_px / (snr * _FWHM_PER_SIGMA)
    across = config.beam_minor_px / (snr * _FWHM_PER_SIGMA)
    cos, sin = (
        math.cos(math.radians(config.beam_pa_deg)),
        math.sin(math.radians(config.beam_pa_deg)),
    )
    return np.hypot(along * sin, across * cos), np.hypot(along * cos, across * sin)


def _spread(values: FloatArray) -> float:
    values = values[np.isfinite(values)]
    if not values.size:
        return math.nan
    low, high = np.quantile(values, [0.158655, 0.841345])
    return float(high - low) / 2
