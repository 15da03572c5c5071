"""The statistics of a source by which the catalogue is filtered and ordered."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["STATISTICS", "Statistic"]


@dataclass(frozen=True, slots=True)
class Statistic:
    """A number or time of a source; one that does not have it is not in a list by it.

    Parameters
    ----------
    name : str
        Field of a source.
    kind : str
        ``float``, ``int`` or ``time``.
    description : str
        What it is, with its unit.
    """

    name: str
    kind: Literal["float", "int", "time"]
    description: str


STATISTICS = (
    Statistic("n_datapoints", "int", "Points, blind and forced"),
    Statistic("n_forced", "int", "Forced points"),
    Statistic("eta", "float", "Reduced chi-square of the integrated flux"),
    Statistic("v", "float", "Coefficient of variation of the integrated flux"),
    Statistic("eta_peak", "float", "Reduced chi-square of the peak flux"),
    Statistic("v_peak", "float", "Coefficient of variation of the peak flux"),
    Statistic("eta_blind", "float", "eta of the blind points alone"),
    Statistic("v_blind", "float", "v of the blind points alone"),
    Statistic("eta_peak_blind", "float", "eta_peak of the blind points alone"),
    Statistic("v_peak_blind", "float", "v_peak of the blind points alone"),
    Statistic("flux_int_mean_jy", "float", "Mean integrated flux, largest of the bands [Jy]"),
    Statistic("flux_int_max_jy", "float", "Largest integrated flux [Jy]"),
    Statistic("flux_int_last_jy", "float", "Integrated flux of the newest point [Jy]"),
    Statistic("flux_peak_mean_jy_beam", "float", "Mean peak flux, largest of the bands [Jy/beam]"),
    Statistic("flux_peak_last_jy_beam", "float", "Peak flux of the newest point [Jy/beam]"),
    Statistic("snr_max", "float", "Largest peak over local rms, blind"),
    Statistic("spectral_index", "float", "alpha of S ~ freq^alpha over the bands, Stokes I"),
    Statistic("nearest_source_arcsec", "float", "Distance to the nearest other source [arcsec]"),
    Statistic("first_time_start", "time", "Start of its first image"),
    Statistic("last_time_start", "time", "Start of its newest image"),
)
