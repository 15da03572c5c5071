"""Reference catalogues: sources of other surveys, and sources that were put into images."""

from datetime import datetime

from pydantic import Field

from api.models.base import Model

__all__ = ["CompletenessBin", "ReferenceCatalogue", "ReferenceSource"]


class ReferenceCatalogue(Model):
    """A catalogue that was loaded for the rules, or to measure completeness."""

    name: str
    n_sources: int
    time_loaded: datetime


class ReferenceSource(Model):
    """The source of a loaded reference catalogue that is nearest to a position."""

    catalogue: str
    name: str | None = Field(description="In the catalogue")
    separation_arcsec: float = Field(description="Distance of the positions [arcsec]")
    ra: float = Field(description="ICRS [deg]")
    dec: float = Field(description="ICRS [deg]")
    flux_jy: float | None = Field(description="Flux density in the catalogue [Jy]")


class CompletenessBin(Model):
    """Sources of a reference catalogue within a range of flux density."""

    flux_min_jy: float = Field(description="[Jy]")
    flux_max_jy: float = Field(description="[Jy]")
    n_injected: int = Field(description="Sources of the reference catalogue")
    n_found: int = Field(description="Those that the running catalogue has")
