"""How the positions and fluxes of a whole image compare with the running catalogue."""

from dataclasses import dataclass, fields
from typing import Literal

__all__ = ["NO_SOLUTION", "ImageSolution", "SolutionStatus"]

SolutionStatus = Literal["solved", "too_few_sources", "no_match", "scattered"]


@dataclass(frozen=True, slots=True)
class ImageSolution:
    """Position shift and flux factor of an image; None where there is none.

    Parameters
    ----------
    shift_status, flux_status : str or None
        ``solved``; ``too_few_sources``: fewer catalogue sources than a solution needs;
        ``no_match``: no shift brings most of the sources together; ``scattered``: the ratios of
        the fluxes agree on no factor. None: not tried.
    n_shift_sources, n_flux_sources : int
        Sources that the solutions rest on [-].
    shift_east_arcsec, shift_north_arcsec : float or None
        Position in the image minus position in the catalogue, on the sky [arcsec].
    shift_err_arcsec : float or None
        1 sigma, per axis [arcsec].
    flux_factor, flux_factor_err : float or None
        Flux in the image over flux in the catalogue, and 1 sigma [-].
    is_shift_applied, is_flux_factor_applied : bool
        Whether the measurements of the image were corrected by it.
    """

    shift_status: SolutionStatus | None = None
    n_shift_sources: int = 0
    shift_east_arcsec: float | None = None
    shift_north_arcsec: float | None = None
    shift_err_arcsec: float | None = None
    is_shift_applied: bool = False
    flux_status: SolutionStatus | None = None
    n_flux_sources: int = 0
    flux_factor: float | None = None
    flux_factor_err: float | None = None
    is_flux_factor_applied: bool = False

    @property
    def applied_shift_deg(self) -> tuple[float, float]:
        """Return what is to be subtracted from positions, to the east and north [deg]."""
        if not self.is_shift_applied:
            return 0.0, 0.0
        return (self.shift_east_arcsec or 0.0) / 3600, (self.shift_north_arcsec or 0.0) / 3600

    @property
    def applied_factor(self) -> float:
        """Return what fluxes are to be divided by [-]."""
        return (self.flux_factor or 1.0) if self.is_flux_factor_applied else 1.0

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """Return the names of its columns in table `image`."""
        return tuple(each.name for each in fields(cls))


NO_SOLUTION = ImageSolution()
