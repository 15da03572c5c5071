"""Images and their verdicts."""

from datetime import datetime

from pydantic import Field

from api.models.base import Model

__all__ = ["ImageItem"]


class ImageItem(Model):
    """An image, its metadata and its verdict."""

    id: int
    image_id: str = Field(description="sha256 of the image")
    stream: str
    verdict: str = Field(description="accepted or rejected")
    reasons: list[str] = Field(description="Codes of a rejection, such as no_beam")
    reason_text: str | None = Field(description="The rejection in words")
    warnings: list[str] = Field(
        description="Doubtful values: ignored_card NAME, blank_value V in N px"
    )
    time_start: datetime | None = Field(description="Start of the exposure")
    exposure_s: float | None = Field(description="[s]")
    freq_eff_hz: float | None = Field(description="Centre frequency [Hz]")
    freq_bw_hz: float | None = Field(description="Bandwidth [Hz]")
    stokes: str | None
    beam_major_deg: float | None = Field(description="FWHM [deg]")
    beam_minor_deg: float | None = Field(description="FWHM [deg]")
    beam_pa_deg: float | None = Field(description="East of north [deg]")
    field_ra: float | None = Field(description="Centre, ICRS [deg]")
    field_dec: float | None = Field(description="Centre, ICRS [deg]")
    field_radius_deg: float | None = Field(description="Centre to farthest corner [deg]")
    width_px: int | None = Field(description="[px]")
    height_px: int | None = Field(description="[px]")
    telescope: str | None
    rms_jy_beam: float | None = Field(description="Median local rms [Jy/beam]")
    n_sources: int = Field(description="Sources extracted blindly")
    is_late: bool = Field(description="It arrived after its timestep was closed")
    shift_status: str | None = Field(
        description="Comparison of its positions with the running catalogue: solved, "
        "too_few_sources or no_match; null: none was made"
    )
    n_shift_sources: int = Field(description="Catalogue sources that the shift rests on")
    shift_east_arcsec: float | None = Field(
        description="Positions in the image minus those of the catalogue, to the east [arcsec]"
    )
    shift_north_arcsec: float | None = Field(description="The same to the north [arcsec]")
    shift_err_arcsec: float | None = Field(description="1 sigma per axis [arcsec]")
    is_shift_applied: bool = Field(description="The shift was subtracted from its positions")
    flux_status: str | None = Field(
        description="Comparison of its fluxes with the running catalogue: solved, "
        "too_few_sources or scattered; null: none was made"
    )
    n_flux_sources: int = Field(description="Catalogue sources that the factor rests on")
    flux_factor: float | None = Field(
        description="Fluxes in the image over those of the catalogue"
    )
    flux_factor_err: float | None = Field(description="1 sigma")
    is_flux_factor_applied: bool = Field(description="Its fluxes were divided by the factor")
    time_sent: datetime | None = Field(description="When the telescope sent it")
    time_appended: datetime | None = Field(description="When Kafka received it")
    time_extracted: datetime | None = Field(description="When its sources were extracted")
    time_associated: datetime = Field(description="When its sources were associated")
