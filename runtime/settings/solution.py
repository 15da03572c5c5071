"""Settings of the solution of an image against the running catalogue; part of `associate`."""

from pydantic import Field

from runtime.settings.section import Section

__all__ = ["SolutionSettings"]


class SolutionSettings(Section):
    """Position shift and flux factor of whole images."""

    image_solution: bool = Field(
        default=True,
        description="Solve position shift and flux factor of each image against the catalogue",
    )
    solution_min_sources: int = Field(
        5, ge=3, description="Catalogue sources that a solution needs"
    )
    shift_search_beams: float = Field(
        8.0, gt=0, le=50, description="Largest position shift that is searched [beam major axes]"
    )
    shift_limit_beams: float = Field(
        2.0, ge=0, description="An image shifted by more: rejected [beam major axes]"
    )
    flux_factor_limit: float = Field(
        2.0, ge=1, description="An image whose fluxes are off by a larger factor: rejected"
    )
    systematic_position_error_beams: float = Field(
        0.0,
        ge=0,
        le=1,
        description="As systematic_position_error_arcsec, but of the own beam of a band; the "
        "larger of the two counts [beam major axes]",
    )
