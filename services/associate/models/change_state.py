"""State and outcome of the tests for changes, of many light curves at once."""

from dataclasses import dataclass

import numpy as np

from schemas.messages import BoolArray, FloatArray, IntArray
from services.associate.models.catalogue import CHANGE_STATE_BYTES, RowArray

__all__ = [
    "CHANGE_DTYPE",
    "MAX_WINDOWS",
    "ChangeLimits",
    "Looks",
    "SourceLooks",
    "new_change_states",
]

MAX_WINDOWS = 3
# Column `change_state` of table `source_band`. `base` is what the next look is compared with, the
# quiet looks since the last change of level: their number, sum of weights, weighted mean and
# weighted sum of squares; `level` collects the looks in a row that disagree with it and agree
# among themselves. `sums` are decayed sums of the standardised residuals of `n_residuals` quiet
# looks, one a window; `n_below` counts looks in a row far below the base.
CHANGE_DTYPE = np.dtype(
    [
        ("base_n", "<f8"), ("base_weight", "<f8"), ("base_wmean", "<f8"), ("base_wm2", "<f8"),
        ("level_n", "<f8"), ("level_weight", "<f8"), ("level_wmean", "<f8"),
        ("n_residuals", "<f8"), ("sums", "<f8", (MAX_WINDOWS,)),
        ("n_below", "<f8"), ("n_looks", "<f8"), ("n_settled", "<f8"),
    ]
)  # fmt: skip
if CHANGE_DTYPE.itemsize != CHANGE_STATE_BYTES:
    raise RuntimeError("the state of the tests has the width of its column")


def new_change_states(size: int) -> RowArray:
    """Return the states of `size` light curves without a look."""
    return np.zeros(size, CHANGE_DTYPE)


@dataclass(frozen=True, slots=True)
class ChangeLimits:
    """Limits of the tests for changes.

    Parameters
    ----------
    windows : tuple of int
        Lengths of the sliding windows [looks].
    single_sigma, window_sigma : float
        Significance that a look by itself, and a window, must have [sigma].
    least_fraction : float
        Least change in units of the flux before [-].
    systematic_fraction : float
        Error of the flux scale between images, in units of the flux [-].
    quiet_looks : int
        Looks at a new level in a row that make it the expected one [looks].
    below_sigma : float
        How far below the expected flux a look counts as faded [sigma].
    below_looks, below_min_looks : int
        Such looks in a row that make an event, and quiet looks that must precede them [looks].
    """

    windows: tuple[int, ...]
    single_sigma: float
    window_sigma: float
    least_fraction: float
    systematic_fraction: float
    quiet_looks: int
    below_sigma: float
    below_looks: int
    below_min_looks: int


@dataclass(frozen=True, slots=True)
class Looks:
    """What the tests say of one look at each of n light curves; (n,) each.

    Parameters
    ----------
    sigma : (n,) float64
        Distance from the expected flux [sigma]; 0 where none was expected.
    expected, expected_err : (n,) float64
        Flux that the looks before gave reason to expect, and its error; NaN where none.
    look_err : (n,) float64
        Error of the look, that of the flux scale included.
    is_bright : (n,) bool
        Far above the expected flux: not quiet, whether or not it is enough for an event.
    is_faint : (n,) bool
        As far below it.
    is_flare : (n,) bool
        The single-measurement test.
    window : (n,) int64
        Window in which the mean has changed [looks]; 0: none.
    window_sigma : (n,) float64
        Significance of that change, negative where fainter [sigma].
    is_below, is_gone : (n,) bool
        Below the expected flux for `below_looks` looks in a row, exactly now; and without a
        detectable flux.
    is_settled : (n,) bool
        A detectable flux has become the expected one, exactly now.
    rise_sigma : (n,) float64
        Distance from the faint level of the looks just before [sigma]; -inf where none.
    level, level_err : (n,) float64
        That level, and its error; NaN where none.
    """

    sigma: FloatArray
    expected: FloatArray
    expected_err: FloatArray
    look_err: FloatArray
    is_bright: BoolArray
    is_faint: BoolArray
    is_flare: BoolArray
    window: FloatArray
    window_sigma: FloatArray
    is_below: BoolArray
    is_gone: BoolArray
    is_settled: BoolArray
    rise_sigma: FloatArray
    level: FloatArray
    level_err: FloatArray


@dataclass(frozen=True, slots=True)
class SourceLooks:
    """Looks at sources in one image: rows of the candidates, and the detections; (k,) each."""

    source: IntArray
    detection: IntArray
    looks: Looks
