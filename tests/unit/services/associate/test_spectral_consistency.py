"""Two simultaneous fluxes that no power law explains."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.associate.models.catalogue import BandFlux
from services.associate.steps.spectral_consistency import (
    SpectralConflict,
    check_spectral_consistency,
    least_expected_ratio,
)

DETECTED = BandFlux(20e-3, 1e-3, 120e6, "I")
FORCED = BandFlux(-0.1e-3, 1.2e-3, 152.3e6, "I")

fluxes = st.floats(-10, 10)
errors = st.floats(1e-6, 10)
frequencies = st.floats(1e7, 1e11)
indices = st.floats(0, 10)
bands = st.builds(BandFlux, fluxes, errors, frequencies, st.just("I"))


def check(
    detected: BandFlux, forced: BandFlux, *, sigma: float = 5.0, index: float = 2.5
) -> SpectralConflict | None:
    return check_spectral_consistency(detected, forced, sigma=sigma, max_spectral_index=index)


def significance(detected: BandFlux, forced: BandFlux, index: float) -> float:
    """Return the significance of the conflict [sigma]; minus infinity without one."""
    found = check(detected, forced, sigma=-math.inf, index=index)
    return -math.inf if found is None else found.significance_sigma


def test_a_band_without_the_flux_is_a_conflict() -> None:
    found = check(DETECTED, FORCED)
    assert found is not None
    ratio = (120 / 152.3) ** 2.5
    assert found.expected_jy_beam == pytest.approx(20e-3 * ratio)
    assert found.significance_sigma == pytest.approx(
        (20e-3 * ratio + 0.1e-3) / math.sqrt((1e-3 * ratio) ** 2 + 1.2e-3**2)
    )
    assert found.reason == (
        "forced photometry at 152.3 MHz at the same time: -0.1 +- 1.2 mJy/beam "
        "where at least 11.0 are expected (8.4 sigma)"
    )


def test_the_reason_has_the_digits_that_the_error_has() -> None:
    found = check(
        replace(DETECTED, flux_peak_jy_beam=5.0), replace(FORCED, flux_peak_err_jy_beam=0.15)
    )
    assert found is not None
    assert "MHz at the same time: 0 +- 150 mJy/beam where at least 2755 are" in found.reason
    faint = BandFlux(9e-5, 1e-6, 3e9, "I"), BandFlux(1.23e-6, 1.1e-6, 3.1e9, "I")
    found = check(*faint)
    assert found is not None
    assert "3100.0 MHz at the same time: 0.0012 +- 0.0011 mJy/beam" in found.reason


def test_a_steep_spectrum_explains_a_band_without_the_flux() -> None:
    assert check(DETECTED, FORCED, index=8.0) is None


def test_the_limit_separates_a_conflict_from_none() -> None:
    detected, forced = replace(DETECTED, freq_eff_hz=150e6), replace(FORCED, freq_eff_hz=150e6)
    limit = (20e-3 + 0.1e-3) / math.hypot(1e-3, 1.2e-3)
    assert check(detected, forced, sigma=limit - 1e-9) is not None
    assert check(detected, forced, sigma=limit + 1e-9) is None


@pytest.mark.parametrize("stokes", ["Q", "U", "V", "XX"])
def test_only_total_intensities_are_compared(stokes: str) -> None:
    polarised = replace(DETECTED, stokes=stokes), replace(FORCED, stokes=stokes)
    assert check(*polarised) is None
    assert check(DETECTED, polarised[1]) is None
    assert check(polarised[0], FORCED) is None


@given(bands, bands, indices)
def test_the_ratio_is_the_same_with_the_frequencies_exchanged(
    detected: BandFlux, forced: BandFlux, index: float
) -> None:
    swapped = (
        replace(detected, freq_eff_hz=forced.freq_eff_hz),
        replace(forced, freq_eff_hz=detected.freq_eff_hz),
    )
    assert significance(*swapped, index) == significance(detected, forced, index)


@given(frequencies, frequencies, indices)
def test_no_allowed_power_law_leaves_a_smaller_ratio(
    low: float, high: float, index: float
) -> None:
    ratio = least_expected_ratio(low, high, max_spectral_index=index)
    x = high / low
    assert ratio == pytest.approx(min(x**index, x**-index), rel=1e-9)
    for alpha in (-index, -index / 2, 0.0, index / 2, index):
        assert ratio <= x**alpha * (1 + 1e-9)


@given(bands, bands, st.floats(1, 1e3), st.sampled_from(["detected", "forced"]))
def test_a_larger_error_never_increases_the_significance(
    detected: BandFlux, forced: BandFlux, factor: float, which: str
) -> None:
    if check(detected, forced) is not None:
        return
    flux = detected if which == "detected" else forced
    worse = replace(flux, flux_peak_err_jy_beam=flux.flux_peak_err_jy_beam * factor)
    assert check(*((worse, forced) if which == "detected" else (detected, worse))) is None


@given(bands, bands, st.floats(0, 10))
def test_more_flux_in_the_forced_band_never_increases_the_significance(
    detected: BandFlux, forced: BandFlux, more: float
) -> None:
    brighter = replace(forced, flux_peak_jy_beam=forced.flux_peak_jy_beam + more)
    assert check(detected, brighter) is None or check(detected, forced) is not None


@given(bands, bands, indices, st.floats(0, 10))
def test_a_wider_range_of_spectra_never_increases_the_significance(
    detected: BandFlux, forced: BandFlux, index: float, wider: float
) -> None:
    """Where the forced flux is positive: no spectrum explains a negative one."""
    forced = replace(forced, flux_peak_jy_beam=abs(forced.flux_peak_jy_beam))
    if check(detected, forced, index=index) is None:
        assert check(detected, forced, index=index + wider) is None


@given(
    bands,
    bands,
    st.sampled_from(["flux_peak_jy_beam", "flux_peak_err_jy_beam", "freq_eff_hz"]),
    st.sampled_from([math.nan, math.inf, -math.inf]),
    st.sampled_from([0, 1]),
)
def test_a_flux_that_is_not_finite_is_no_conflict(
    detected: BandFlux, forced: BandFlux, field: str, value: float, which: int
) -> None:
    pair = [detected, forced]
    pair[which] = replace(pair[which], **{field: value})
    assert check(*pair) is None


@given(bands, bands, indices)
def test_a_detected_flux_that_is_not_positive_is_no_conflict(
    detected: BandFlux, forced: BandFlux, index: float
) -> None:
    dark = replace(detected, flux_peak_jy_beam=-abs(detected.flux_peak_jy_beam))
    assert check(dark, forced, index=index) is None
