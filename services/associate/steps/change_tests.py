"""Tests of one more look at a light curve against what came before; bounded state, no history."""

import numpy as np
from scipy.special import chdtrc, ndtri

from runtime.settings import AssociateSettings
from schemas.messages import BoolArray, FloatArray, IntArray
from services.associate.models.catalogue import RowArray
from services.associate.models.change_state import ChangeLimits, Looks
from sky.row_arrays import put_rows, take_rows

__all__ = ["add_looks", "find_history_sigma", "to_limits"]

# A look this close to what was expected is quiet: it adds to what the next one is compared with.
_QUIET_SIGMA = 4.0
# The scatter of the quiet looks starts from so many looks whose errors are right.
_SCATTER_PRIOR_LOOKS = 8.0
# A forced flux below is no detection.
_GONE_SIGMA = 3.0


def to_limits(settings: AssociateSettings, *, n_channels: int = 1) -> ChangeLimits:
    """Return the limits of the tests: the false alarms of a look are shared among them.

    Parameters
    ----------
    settings : AssociateSettings
        Windows, and the false alarms that a look at a source may raise.
    n_channels : int
        Bands and Stokes parameters that look at a source at once [-].

    Notes
    -----
    Bonferroni's inequality: k tests of p/k each raise at most p false alarms, however they
    depend on one another. Single looks are tested upwards, windows both ways, and the whole
    history once.
    """
    n_tests = n_channels * (2 + len(settings.trigger_windows))
    each = settings.false_alarms_per_look / n_tests
    return ChangeLimits(
        windows=tuple(settings.trigger_windows),
        single_sigma=float(-ndtri(each)),
        window_sigma=float(-ndtri(each / 2)),
        least_fraction=settings.variable_v,
        systematic_fraction=settings.flux_systematic_fraction,
        quiet_looks=settings.episode_quiet_looks,
        below_sigma=settings.vanished_sigma,
        below_looks=settings.vanished_looks,
        below_min_looks=settings.vanished_min_points,
    )


def find_history_sigma(eta: FloatArray, n_points: IntArray) -> FloatArray:
    """Return how many sigmas eta of all points is worth, with few points as with many.

    Parameters
    ----------
    eta : (n,) float64
        Reduced chi-square against a constant flux [-].
    n_points : (n,) int64
        Points that it is of; at least 2 [-].

    Notes
    -----
    (n - 1) eta of a constant source follows chi-square with n - 1 degrees of freedom
    (Scheers 2011, section 3.4), so that eta = 5 means little for two points (p = 0.03) and much
    for fifty.
    """
    dof = np.maximum(n_points - 1, 1)
    # The upper tails of both distributions; scipy.stats wraps them and takes a second to import.
    return np.asarray(-ndtri(chdtrc(dof, eta * dof)), np.float64)


def add_looks(
    states: RowArray, index: IntArray, flux: FloatArray, error: FloatArray, limits: ChangeLimits
) -> Looks:
    """Test one more look at each of some light curves, and add it to their states in place.

    Parameters
    ----------
    states : (n,) structured, `CHANGE_DTYPE`
        Of all light curves.
    index : (k,) int64
        Which of them are looked at, each once.
    flux, error : (k,) float64
        Flux and its 1 sigma error, any unit; the error is positive and finite.
    limits : ChangeLimits
        When a change is reported.

    Notes
    -----
    The look is compared with the weighted mean of the quiet looks before: a constant source with
    right errors gives a standard normal number from the second look on, whatever the number of
    looks. These recursive residuals are independent (Brown, Durbin & Evans 1975, JRSS B 37, 149),
    so that a sum of them that decays by 1 - 1/w a look is normal with a known variance: an
    exponentially weighted moving average (Roberts 1959, Technometrics 1, 239) over w looks.
    Errors are widened by the scatter of the quiet looks where that exceeds them.
    """
    state = take_rows(states, index)
    has_base = state["base_n"] > 0
    expected = np.where(has_base, state["base_wmean"], np.nan)
    error = np.hypot(error, limits.systematic_fraction * np.where(has_base, expected, 0.0))
    base_err = _inverse_root(state["base_weight"])
    scatter = _scatter(state)
    sigma = np.where(has_base, (flux - expected) / np.sqrt(error**2 * scatter + base_err**2), 0.0)
    residual = np.where(has_base, (flux - expected) / np.hypot(error, base_err), 0.0)
    has_level = state["level_n"] > 0
    level = np.where(has_level, state["level_wmean"], np.nan)
    level_err = np.where(has_level, _inverse_root(state["level_weight"]), np.nan)
    rise = np.where(has_level, (flux - level) / np.hypot(error, level_err), -np.inf)
    is_large = np.abs(flux - expected) >= limits.least_fraction * np.abs(expected)
    is_quiet = has_base & (np.abs(sigma) <= _QUIET_SIGMA)

    _count_below(state, is_large & (sigma <= -limits.below_sigma), limits)
    _add_quiet(state, is_quiet, flux, error)
    window, window_sigma = _test_windows(state, is_quiet, residual, scatter, error, limits)
    _collect_level(state, has_base & ~is_quiet, np.abs(rise) <= _QUIET_SIGMA, flux, error)
    settled = _settle(state, limits)
    _start(state, ~has_base, flux, error)
    state["n_looks"] += 1
    put_rows(states, index, state)
    return Looks(
        sigma=sigma,
        expected=expected,
        expected_err=np.where(has_base, base_err, np.nan),
        look_err=error,
        is_bright=sigma > _QUIET_SIGMA,
        is_faint=sigma < -_QUIET_SIGMA,
        is_flare=is_large & (sigma >= limits.single_sigma),
        window=window,
        window_sigma=window_sigma,
        is_below=state["n_below"] == limits.below_looks,
        is_gone=flux < _GONE_SIGMA * error,
        is_settled=settled & (state["base_wmean"] >= _GONE_SIGMA * error),
        rise_sigma=rise,
        level=level,
        level_err=level_err,
    )


def _inverse_root(weight: FloatArray) -> FloatArray:
    """Return the error that belongs to a weight; 0 for none."""
    return np.where(weight > 0, 1 / np.sqrt(np.where(weight > 0, weight, 1.0)), 0.0)


def _scatter(state: RowArray) -> FloatArray:
    """Return the variance of the quiet looks over that of their errors, at least 1."""
    prior = _SCATTER_PRIOR_LOOKS
    n_free = np.maximum(state["base_n"] - 1, 0)
    scatter = (state["base_wm2"] + prior) / (n_free + prior)
    return np.asarray(np.maximum(scatter, 1.0), np.float64)


def _count_below(state: RowArray, is_below: BoolArray, limits: ChangeLimits) -> None:
    """Count looks in a row below an expected flux that enough looks support."""
    is_supported = state["base_n"] >= limits.below_min_looks
    is_counted = is_below & is_supported
    state["n_below"] = np.where(is_counted, state["n_below"] + 1, 0)


def _add_quiet(state: RowArray, chosen: BoolArray, flux: FloatArray, error: FloatArray) -> None:
    """Add quiet looks to the base (West 1979, CACM 22, 532); a level that was begun ends."""
    weight = np.where(chosen, error**-2.0, 0.0)
    before = state["base_weight"].copy()
    total = before + weight
    delta = flux - state["base_wmean"]
    step = np.where(chosen, delta * weight / np.where(total > 0, total, 1.0), 0.0)
    state["base_weight"] = total
    state["base_wmean"] += step
    state["base_wm2"] += before * delta * step
    state["base_n"] += chosen
    state["level_n"] = np.where(chosen, 0, state["level_n"])


def _test_windows(
    state: RowArray,
    is_quiet: BoolArray,
    residual: FloatArray,
    scatter: FloatArray,
    error: FloatArray,
    limits: ChangeLimits,
) -> tuple[FloatArray, FloatArray]:
    """Return the window whose mean has changed most, 0 for none, and by how many sigmas.

    Where one has, the expected flux moves to the mean of the window.
    """
    state["n_residuals"] += is_quiet
    n = state["n_residuals"]
    best_window, best_sigma = np.zeros(n.size), np.zeros(n.size)
    shift = np.zeros(n.size)
    for number, length in enumerate(limits.windows):
        decay = 1 - 1 / length
        sums = state["sums"][:, number]
        sums[is_quiet] = sums[is_quiet] * decay + residual[is_quiet]
        norm2 = (1 - decay ** (2 * n)) / (1 - decay**2)
        sigma = np.where(n > 0, sums / np.sqrt(np.maximum(norm2, 1) * scatter), 0.0)
        mean = sums * (1 - decay) / np.maximum(1 - decay**n, 1e-12) * error
        is_changed = is_quiet & (np.abs(sigma) >= limits.window_sigma) & (n >= 2)
        is_changed &= np.abs(mean) >= limits.least_fraction * np.abs(state["base_wmean"])
        better = is_changed & (np.abs(sigma) > np.abs(best_sigma))
        best_window = np.where(better, length, best_window)
        best_sigma = np.where(better, sigma, best_sigma)
        shift = np.where(better, mean, shift)
    _rebase(state, best_window, shift, error)
    return best_window, best_sigma


def _rebase(state: RowArray, window: FloatArray, shift: FloatArray, error: FloatArray) -> None:
    """Move the base to the mean of a window, with the weight of its looks."""
    chosen = window > 0
    if not np.any(chosen):
        return
    n = np.minimum(np.maximum(state["n_residuals"], 1), np.maximum(window, 1))
    state["base_wmean"] += np.where(chosen, shift, 0.0)
    state["base_weight"] = np.where(chosen, n / error**2, state["base_weight"])
    state["base_n"] = np.where(chosen, n, state["base_n"])
    state["base_wm2"] = np.where(chosen, n - 1, state["base_wm2"])
    _reset_windows(state, chosen)


def _reset_windows(state: RowArray, chosen: BoolArray) -> None:
    state["n_residuals"] = np.where(chosen, 0, state["n_residuals"])
    state["sums"] = np.where(chosen[:, None], 0.0, state["sums"])


def _collect_level(
    state: RowArray, chosen: BoolArray, agrees: BoolArray, flux: FloatArray, error: FloatArray
) -> None:
    """Add looks that are not quiet to the level that they began, or begin another one."""
    if not np.any(chosen):
        return
    goes_on = chosen & agrees
    weight = error**-2.0
    before = np.where(goes_on, state["level_weight"], 0.0)
    mean = (before * state["level_wmean"] + weight * flux) / (before + weight)
    n = np.where(goes_on, state["level_n"] + 1, 1)
    state["level_wmean"] = np.where(chosen, mean, state["level_wmean"])
    state["level_weight"] = np.where(chosen, before + weight, state["level_weight"])
    state["level_n"] = np.where(chosen, n, state["level_n"])


def _settle(state: RowArray, limits: ChangeLimits) -> BoolArray:
    """Expect the level that enough looks in a row have had; few, where few made the base."""
    needed = np.minimum(limits.quiet_looks, state["base_n"] + 1)
    settled = (state["level_n"] > 0) & (state["level_n"] >= needed)
    if not np.any(settled):
        return np.asarray(settled, np.bool_)
    for name in ("n", "weight", "wmean"):
        state[f"base_{name}"] = np.where(settled, state[f"level_{name}"], state[f"base_{name}"])
    state["base_wm2"] = np.where(settled, state["base_n"] - 1, state["base_wm2"])
    state["level_n"] = np.where(settled, 0, state["level_n"])
    state["n_settled"] += settled
    _reset_windows(state, settled)
    return np.asarray(settled, np.bool_)


def _start(state: RowArray, chosen: BoolArray, flux: FloatArray, error: FloatArray) -> None:
    """Expect the flux of the first look."""
    if not np.any(chosen):
        return
    state["base_n"] += chosen
    state["base_weight"] = np.where(chosen, error**-2.0, state["base_weight"])
    state["base_wmean"] = np.where(chosen, flux, state["base_wmean"])
