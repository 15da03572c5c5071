"""Streams, bands, measurements, gaps and rms grids."""

from datetime import datetime

from pydantic import Field

from api.models.base import Model

__all__ = [
    "BandItem",
    "CoverageItem",
    "DetectionItem",
    "GapItem",
    "ImageDetectionItem",
    "LookItem",
    "RmsGrid",
    "StreamItem",
]


class StreamItem(Model):
    """A stream of images."""

    id: int
    name: str
    first_time_start: datetime | None = Field(description="Start of its first exposure")
    last_time_start: datetime | None = Field(description="Start of its newest exposure")
    closed_until: datetime | None = Field(description="Images up to this time are late")
    systematic_position_error_deg: float = Field(description="Per axis [deg]")
    n_images: int = Field(description="Images received, whatever their outcome")
    n_rejected: int = Field(description="Rejected ones among them")


class BandItem(Model):
    """A frequency band of a stream."""

    id: int
    stream: str
    freq_eff_hz: float = Field(description="Centre frequency [Hz]")
    freq_bw_hz: float = Field(description="Bandwidth [Hz]")
    stokes: list[str] = Field(description="Stokes parameters that it has images of")
    last_time_start: datetime | None = Field(description="Start of its newest exposure")


class CoverageItem(Model):
    """A cell of the sky that was observed, and the deepest image of it."""

    cell: int = Field(description="HEALPix cell: 4 * 4^order + nested pixel (NUNIQ)")
    image: int = Field(description="Deepest image that covers it")
    rms_jy_beam: float = Field(description="Local rms of that image in the cell [Jy/beam]")
    freq_eff_hz: float = Field(description="Centre frequency of the band of that image [Hz]")
    stokes: str = Field(description="Stokes parameter of that image")


class GapItem(Model):
    """A forced measurement that could not be made."""

    id: int = Field(description="Image")
    image_id: str = Field(description="sha256 of the image")
    time_start: datetime | None = Field(description="Start of the exposure")
    freq_eff_hz: float | None = Field(description="[Hz]")
    stokes: str | None
    reason: str = Field(description="outside, blank, confused, image_gone, image_elsewhere, ...")


class DetectionItem(Model):
    """One measurement in one image."""

    source_id: int
    image_id: str = Field(description="sha256 of the image")
    source_number: int = Field(description="Number within the image")
    stream: str
    time_start: datetime = Field(description="Start of the exposure")
    exposure_s: float | None = Field(description="[s]")
    freq_eff_hz: float = Field(description="Centre frequency of the band [Hz]")
    freq_bw_hz: float = Field(description="Bandwidth [Hz]")
    stokes: str
    extraction_type: str = Field(description="blind, forced, monitor or lookback")
    ra: float = Field(description="ICRS [deg]")
    dec: float = Field(description="ICRS [deg]")
    ra_err_deg: float | None = Field(description="1 sigma on the sky [deg]")
    dec_err_deg: float | None = Field(description="1 sigma on the sky [deg]")
    flux_peak_jy_beam: float | None = Field(description="[Jy/beam]")
    flux_peak_err_jy_beam: float | None = Field(description="1 sigma [Jy/beam]")
    flux_int_jy: float | None = Field(description="[Jy]")
    flux_int_err_jy: float | None = Field(description="1 sigma [Jy]")
    snr: float | None = Field(description="Peak over local rms")
    rms_local_jy_beam: float | None = Field(description="[Jy/beam]")
    major_arcsec: float | None = Field(description="Major axis, FWHM [arcsec]")
    minor_arcsec: float | None = Field(description="Minor axis, FWHM [arcsec]")
    pa_deg: float | None = Field(description="Position angle, north through east [deg]")
    de_ruiter_radius: float | None = Field(description="Distance to its source [sigma]")
    quality_flags: int = Field(description="Sum of the flags in docs/glossary.md")
    p_false: float | None = Field(
        description="Probability of being an artefact of a bright source; null: not blind"
    )


class ImageDetectionItem(DetectionItem):
    """One measurement in an image, and where the running catalogue has its source."""

    source_ra: float | None = Field(
        description="Weighted mean, ICRS; null where the source left the catalogue [deg]"
    )
    source_dec: float | None = Field(description="As source_ra [deg]")


class LookItem(Model):
    """An image that covers a position."""

    id: int
    image_id: str = Field(description="sha256 of the image")
    stream: str
    time_start: datetime = Field(description="Start of the exposure")
    exposure_s: float | None = Field(description="[s]")
    freq_eff_hz: float | None = Field(description="[Hz]")
    freq_bw_hz: float | None = Field(description="[Hz]")
    stokes: str | None
    rms_local_jy_beam: float = Field(description="Local rms at the position [Jy/beam]")
    limit_jy_beam: float | None = Field(
        description="Least peak flux of a blind detection there [Jy/beam]"
    )
    is_searched: bool = Field(description="Whether blind detections were made there")


class RmsGrid(Model):
    """The local rms of an image, at the centres of equal cells."""

    id: int
    image_id: str = Field(description="sha256 of the image")
    width_px: int | None = Field(description="Columns of the image [px]")
    height_px: int | None = Field(description="Rows of the image [px]")
    margin_px: int | None = Field(description="Border without blind detections [px]")
    cell_px: int | None = Field(description="Side of a cell [px]")
    detection_threshold_sigma: float | None = Field(description="Of blind detections [sigma]")
    wcs_header: str | None = Field(description="FITS cards of the celestial coordinates")
    rms_jy_beam: list[list[float | None]] = Field(
        description="Rows of cells from the bottom up; null where it is blank [Jy/beam]"
    )
