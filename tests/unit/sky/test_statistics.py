"""Running statistics against NumPy on the whole light curve."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sky.statistics import eta, new_moments, spectral_index, update_moments, v

CURVES = st.lists(st.tuples(st.floats(0.1, 1e3), st.floats(1e-3, 1.0)), min_size=1, max_size=40)


def fill(flux: list[float], error: list[float]) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    moments = new_moments(1)
    for value, sigma in zip(flux, error, strict=True):
        update_moments(moments, np.array([0]), np.array([value]), np.array([sigma]))
    return moments


@given(CURVES)
def test_v_and_eta_are_those_of_the_whole_curve(curve: list[tuple[float, float]]) -> None:
    flux, error = np.array(curve).T
    moments = fill(flux.tolist(), error.tolist())
    if flux.size == 1:
        assert (v(moments)[0], eta(moments)[0]) == (0.0, 0.0)
        return
    weight = error**-2
    mean = np.average(flux, weights=weight)
    expected_eta = np.sum(weight * (flux - mean) ** 2) / (flux.size - 1)
    assert v(moments)[0] == pytest.approx(np.std(flux, ddof=1) / np.mean(flux), abs=1e-9)
    assert eta(moments)[0] == pytest.approx(expected_eta, rel=1e-6, abs=1e-6)


def test_eta_keeps_six_digits_at_a_signal_to_noise_of_1e5() -> None:
    rng = np.random.default_rng(1)
    flux = 1.0 + rng.normal(0, 1e-5, 10_000)
    moments = fill(flux.tolist(), [1e-5] * flux.size)
    exact = np.sum(((flux - flux.mean()) / 1e-5) ** 2) / (flux.size - 1)
    assert eta(moments)[0] == pytest.approx(exact, rel=1e-6)


@given(CURVES, st.randoms())
def test_the_order_of_points_does_not_matter_beyond_rounding(
    curve: list[tuple[float, float]], random: st.DataObject
) -> None:
    shuffled = list(curve)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = (
        fill([point[0] for point in each], [point[1] for point in each])
        for each in (curve, shuffled)
    )
    assert eta(one)[0] == pytest.approx(eta(other)[0], rel=1e-6, abs=1e-6)


@given(st.floats(-3, 3), st.lists(st.floats(1e7, 1e10), min_size=2, max_size=6, unique=True))
def test_a_power_law_gives_its_index_back(alpha: float, bands_hz: list[float]) -> None:
    freq_hz = np.array(sorted(bands_hz))
    if freq_hz[-1] / freq_hz[0] < 1.001:
        return
    flux = 2.0 * (freq_hz / 1e8) ** alpha
    found = spectral_index(freq_hz, flux, 0.01 * flux)
    assert found is not None
    assert found[0] == pytest.approx(alpha, abs=1e-6)


def test_the_error_of_a_spectral_index_is_that_of_two_bands() -> None:
    freq_hz, flux, error = np.array([100e6, 200e6]), np.array([2.0, 1.0]), np.array([0.1, 0.05])
    found = spectral_index(freq_hz, flux, error)
    assert found == pytest.approx((-1.0, np.hypot(0.05, 0.05) / np.log(2)))


@pytest.mark.parametrize(
    ("freq_hz", "flux", "error"),
    [
        ([], [], []),
        ([1e8], [1.0], [0.1]),
        ([1e8, 1e8], [1.0, 2.0], [0.1, 0.1]),
        ([1e8, 2e8], [1.0, -2.0], [0.1, 0.1]),
        ([1e8, 2e8], [1.0, 2.0], [0.1, np.nan]),
        ([1e8, 2e8], [np.nan, 2.0], [0.1, 0.1]),
    ],
)
def test_one_band_has_no_spectral_index(
    freq_hz: list[float], flux: list[float], error: list[float]
) -> None:
    assert spectral_index(np.array(freq_hz), np.array(flux), np.array(error)) is None
