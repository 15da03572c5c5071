"""Two fluxes of one time that no power law joins."""

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

SEEN = BandFlux(20e-3, 1e-3, 120e6, "I")
OTHER = BandFlux(-0.1e-3, 1.2e-3, 152.3e6, "I")

fluxes = st.floats(-10, 10)
errors = st.floats(1e-6, 10)
frequencies = st.floats(1e7, 1e11)
indices = st.floats(0, 10)
bands = st.builds(BandFlux, fluxes, errors, frequencies, st.just("I"))


def judge(
    seen: BandFlux, other: BandFlux, *, sigma: float = 5.0, index: float = 2.5
) -> SpectralConflict | None:
    return check_spectral_consistency(seen, other, sigma=sigma, max_spectral_index=index)


def significance(seen: BandFlux, other: BandFlux, index: float) -> float:
    """Return how strongly one contradicts the other; minus infinity if not at all."""
    found = judge(seen, other, sigma=-math.inf, index=index)
    return -math.inf if found is None else found.significance_sigma


def test_a_band_without_the_flux_contradicts() -> None:
    found = judge(SEEN, OTHER)
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


def test_words_have_the_digits_that_the_error_has() -> None:
    found = judge(replace(SEEN, flux_peak_jy_beam=5.0), replace(OTHER, flux_peak_err_jy_beam=0.15))
    assert found is not None
    assert "MHz at the same time: 0 +- 150 mJy/beam where at least 2755 are" in found.reason
    faint = BandFlux(9e-5, 1e-6, 3e9, "I"), BandFlux(1.23e-6, 1.1e-6, 3.1e9, "I")
    found = judge(*faint)
    assert found is not None
    assert "3100.0 MHz at the same time: 0.0012 +- 0.0011 mJy/beam" in found.reason


def test_a_steep_spectrum_explains_a_band_without_the_flux() -> None:
    assert judge(SEEN, OTHER, index=8.0) is None


def test_just_enough_contradicts_and_just_too_little_does_not() -> None:
    seen, other = replace(SEEN, freq_eff_hz=150e6), replace(OTHER, freq_eff_hz=150e6)
    limit = (20e-3 + 0.1e-3) / math.hypot(1e-3, 1.2e-3)
    assert judge(seen, other, sigma=limit - 1e-9) is not None
    assert judge(seen, other, sigma=limit + 1e-9) is None


@pytest.mark.parametrize("stokes", ["Q", "U", "V", "XX"])
def test_only_total_intensities_contradict_each_other(stokes: str) -> None:
    polarised = replace(SEEN, stokes=stokes), replace(OTHER, stokes=stokes)
    assert judge(*polarised) is None
    assert judge(SEEN, polarised[1]) is None
    assert judge(polarised[0], OTHER) is None


@given(bands, bands, indices)
def test_the_frequencies_may_change_places(seen: BandFlux, other: BandFlux, index: float) -> None:
    swapped = (
        replace(seen, freq_eff_hz=other.freq_eff_hz),
        replace(other, freq_eff_hz=seen.freq_eff_hz),
    )
    assert significance(*swapped, index) == significance(seen, other, index)


@given(frequencies, frequencies, indices)
def test_no_allowed_power_law_leaves_less(low: float, high: float, index: float) -> None:
    ratio = least_expected_ratio(low, high, max_spectral_index=index)
    x = high / low
    assert ratio == pytest.approx(min(x**index, x**-index), rel=1e-9)
    for alpha in (-index, -index / 2, 0.0, index / 2, index):
        assert ratio <= x**alpha * (1 + 1e-9)


@given(bands, bands, st.floats(1, 1e3), st.sampled_from(["seen", "other"]))
def test_a_larger_error_never_contradicts_more(
    seen: BandFlux, other: BandFlux, factor: float, which: str
) -> None:
    if judge(seen, other) is not None:
        return
    flux = seen if which == "seen" else other
    worse = replace(flux, flux_peak_err_jy_beam=flux.flux_peak_err_jy_beam * factor)
    assert judge(*((worse, other) if which == "seen" else (seen, worse))) is None


@given(bands, bands, st.floats(0, 10))
def test_more_flux_in_the_other_band_never_contradicts_more(
    seen: BandFlux, other: BandFlux, more: float
) -> None:
    brighter = replace(other, flux_peak_jy_beam=other.flux_peak_jy_beam + more)
    assert judge(seen, brighter) is None or judge(seen, other) is not None


@given(bands, bands, indices, st.floats(0, 10))
def test_a_wider_range_of_spectra_never_contradicts_more(
    seen: BandFlux, other: BandFlux, index: float, wider: float
) -> None:
    """Where the other flux is positive: a negative one is explained by no spectrum."""
    other = replace(other, flux_peak_jy_beam=abs(other.flux_peak_jy_beam))
    if judge(seen, other, index=index) is None:
        assert judge(seen, other, index=index + wider) is None


@given(
    bands,
    bands,
    st.sampled_from(["flux_peak_jy_beam", "flux_peak_err_jy_beam", "freq_eff_hz"]),
    st.sampled_from([math.nan, math.inf, -math.inf]),
    st.sampled_from([0, 1]),
)
def test_what_is_not_finite_never_contradicts(
    seen: BandFlux, other: BandFlux, field: str, value: float, which: int
) -> None:
    pair = [seen, other]
    pair[which] = replace(pair[which], **{field: value})
    assert judge(*pair) is None


@given(bands, bands, indices)
def test_a_flux_that_is_no_excess_contradicts_nothing(
    seen: BandFlux, other: BandFlux, index: float
) -> None:
    dark = replace(seen, flux_peak_jy_beam=-abs(seen.flux_peak_jy_beam))
    assert judge(dark, other, index=index) is None
