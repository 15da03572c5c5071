"""Whether a forced flux in another band contradicts a new source of the same time."""

import math
from dataclasses import dataclass

from services.associate.models.catalogue import BandFlux

__all__ = ["SpectralConflict", "check_spectral_consistency", "least_expected_ratio"]


@dataclass(frozen=True, slots=True)
class SpectralConflict:
    """How far a forced flux lies below the smallest that a power law allows.

    Parameters
    ----------
    expected_jy_beam : float
        The smallest flux that is allowed [Jy/beam].
    significance_sigma : float
        Distance below it in units of the combined error [sigma].
    reason : str
        The same as a sentence for the subscribers.
    """

    expected_jy_beam: float
    significance_sigma: float
    reason: str


def least_expected_ratio(
    freq_detected_hz: float, freq_forced_hz: float, *, max_spectral_index: float
) -> float:
    """Return the smallest ratio of fluxes in two bands that a power law allows [-].

    Parameters
    ----------
    freq_detected_hz, freq_forced_hz : float
        The band of the detection, and the other band [Hz].
    max_spectral_index : float
        Largest absolute value of alpha in S ~ freq^alpha [-].

    Returns
    -------
    float
        At most 1; symmetric in the two frequencies.
    """
    return math.exp(
        -max_spectral_index * abs(math.log(freq_forced_hz) - math.log(freq_detected_hz))
    )


def check_spectral_consistency(
    detected: BandFlux,
    forced: BandFlux,
    *,
    sigma: float,
    max_spectral_index: float,
    when: str = "at the same time",
) -> SpectralConflict | None:
    """Return the conflict if no power law explains both fluxes, else None.

    Parameters
    ----------
    detected : BandFlux
        The blind detection that created the source.
    forced : BandFlux
        Forced photometry at its position in another band, when the burst should be there.
    sigma : float
        How far the forced flux must lie below the smallest allowed one [sigma].
    max_spectral_index : float
        Largest absolute value of alpha in S ~ freq^alpha [-].
    when : str
        When the forced flux was measured, in words for the reason.

    Returns
    -------
    SpectralConflict or None
        None also where the two cannot be compared: a flux or error that is not finite or
        positive, or a polarised flux: Faraday rotation gives Stokes Q and U any sign.

    Notes
    -----
    The smallest flux that a power law allows is ``detected * min(x^alpha, x^-alpha)``, x the ratio
    of the frequencies and alpha the largest index; the errors of both fluxes, the first one
    scaled alike, add in quadrature.

    References
    ----------
    Condon & Ransom (2016), Essential Radio Astronomy, section 5.3: self-absorbed synchrotron
    emission rises no steeper than alpha = 5/2. Bates, Lorimer & Verbiest (2013), MNRAS 431, 1352:
    pulsars, the steepest broad-band emitters, have alpha = -1.4 with a scatter of 1.
    """
    if not (
        _is_usable(detected) and _is_usable(forced) and detected.stokes == forced.stokes == "I"
    ):
        return None
    ratio = least_expected_ratio(
        detected.freq_eff_hz, forced.freq_eff_hz, max_spectral_index=max_spectral_index
    )
    expected = detected.flux_peak_jy_beam * ratio
    error = math.hypot(detected.flux_peak_err_jy_beam * ratio, forced.flux_peak_err_jy_beam)
    significance = (expected - forced.flux_peak_jy_beam) / error
    # A detected flux that is not positive sets no limit, however negative the forced flux.
    if expected <= 0 or not significance >= sigma:
        return None
    reason = _to_reason(forced, expected, significance, when)
    return SpectralConflict(expected, significance, reason)


def _is_usable(flux: BandFlux) -> bool:
    numbers = (flux.flux_peak_jy_beam, flux.flux_peak_err_jy_beam, flux.freq_eff_hz)
    return (
        all(math.isfinite(number) for number in numbers)
        and flux.flux_peak_err_jy_beam > 0
        and flux.freq_eff_hz > 0
    )


def _to_reason(forced: BandFlux, expected_jy_beam: float, significance: float, when: str) -> str:
    """Return the reason; fluxes to the second digit of the error."""
    flux, error, expected = (
        1e3 * each
        for each in (forced.flux_peak_jy_beam, forced.flux_peak_err_jy_beam, expected_jy_beam)
    )
    places = min(max(1 - math.floor(math.log10(error)), 0), 9)
    return (
        f"forced photometry at {forced.freq_eff_hz / 1e6:.1f} MHz {when}: "
        f"{round(flux, places) + 0.0:.{places}f} +- {error:.{places}f} mJy/beam where at least "
        f"{expected:.{places}f} are expected ({significance:.1f} sigma)"
    )
