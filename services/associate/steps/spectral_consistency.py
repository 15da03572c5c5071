"""Whether another band, at the same time, denies that a new source is there."""

import math
from dataclasses import dataclass

from services.associate.models.catalogue import BandFlux

__all__ = ["SpectralConflict", "check_spectral_consistency", "least_expected_ratio"]


@dataclass(frozen=True, slots=True)
class SpectralConflict:
    """How far a measured flux lies below the least that was expected.

    `reason` says it in words for the subscribers.
    """

    expected_jy_beam: float
    significance_sigma: float
    reason: str


def least_expected_ratio(
    freq_seen_hz: float, freq_other_hz: float, *, max_spectral_index: float
) -> float:
    """Return the least part of a flux that is left in another band [-].

    Parameters
    ----------
    freq_seen_hz, freq_other_hz : float
        Where the flux was seen, and the other band [Hz].
    max_spectral_index : float
        Largest absolute value of alpha in S ~ freq^alpha [-].

    Returns
    -------
    float
        At most 1; the two frequencies may change places.
    """
    return math.exp(-max_spectral_index * abs(math.log(freq_other_hz) - math.log(freq_seen_hz)))


def check_spectral_consistency(
    seen: BandFlux, other: BandFlux, *, sigma: float, max_spectral_index: float
) -> SpectralConflict | None:
    """Return the contradiction if no power law explains both fluxes, else None.

    Parameters
    ----------
    seen : BandFlux
        The blind detection that created the source.
    other : BandFlux
        Measured by force at its place in another band, at the same time.
    sigma : float
        How far the flux must lie below the least expected one [sigma].
    max_spectral_index : float
        Largest absolute value of alpha in S ~ freq^alpha [-].

    Returns
    -------
    SpectralConflict or None
        None too where the two cannot be compared: a flux that is not finite, an error that is
        none, or anything but total intensity. Faraday rotation gives Stokes Q and U any sign.

    Notes
    -----
    The least flux that a power law leaves at ``freq_other`` of ``flux_seen`` is ``flux_seen *
    min(x^alpha, x^-alpha)``, x the ratio of the frequencies and alpha the largest index allowed;
    the errors of both fluxes, the first one scaled alike, add in quadrature.

    References
    ----------
    Condon & Ransom (2016), Essential Radio Astronomy, section 5.3: self-absorbed synchrotron
    emission rises no steeper than alpha = 5/2. Bates, Lorimer & Verbiest (2013), MNRAS 431, 1352:
    pulsars, the steepest broad-band emitters, have alpha = -1.4 with a scatter of 1.
    """
    if not (_is_usable(seen) and _is_usable(other) and seen.stokes == other.stokes == "I"):
        return None
    ratio = least_expected_ratio(
        seen.freq_eff_hz, other.freq_eff_hz, max_spectral_index=max_spectral_index
    )
    expected = seen.flux_peak_jy_beam * ratio
    error = math.hypot(seen.flux_peak_err_jy_beam * ratio, other.flux_peak_err_jy_beam)
    significance = (expected - other.flux_peak_jy_beam) / error
    # What is expected to be nothing contradicts nothing, however negative the other flux.
    if expected <= 0 or not significance >= sigma:
        return None
    return SpectralConflict(expected, significance, _to_words(other, expected, significance))


def _is_usable(flux: BandFlux) -> bool:
    numbers = (flux.flux_peak_jy_beam, flux.flux_peak_err_jy_beam, flux.freq_eff_hz)
    return (
        all(math.isfinite(number) for number in numbers)
        and flux.flux_peak_err_jy_beam > 0
        and flux.freq_eff_hz > 0
    )


def _to_words(other: BandFlux, expected_jy_beam: float, significance: float) -> str:
    """Return the reason; fluxes to the second digit of the error."""
    flux, error, expected = (
        1e3 * each
        for each in (other.flux_peak_jy_beam, other.flux_peak_err_jy_beam, expected_jy_beam)
    )
    places = min(max(1 - math.floor(math.log10(error)), 0), 9)
    return (
        f"forced photometry at {other.freq_eff_hz / 1e6:.1f} MHz at the same time: "
        f"{round(flux, places) + 0.0:.{places}f} +- {error:.{places}f} mJy/beam where at least "
        f"{expected:.{places}f} are expected ({significance:.1f} sigma)"
    )
