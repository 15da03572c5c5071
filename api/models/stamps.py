"""Stamps: pixels around a source that an event announced."""

from datetime import datetime

from pydantic import Field

from api.models.base import Model

__all__ = ["StampItem"]


class StampItem(Model):
    """A stamp, or why there is none."""

    id: str = Field(description="trig_id and role: known before the stamp is")
    role: str = Field(
        description="now: image of the detection; before: the previous image of the band; "
        "difference: now minus before; deepest: the deepest earlier image, if another one"
    )
    trig_id: str = Field(description="Identity of the alerts of the transient")
    transient_id: int
    source_id: int
    ra: float = Field(description="Centre, ICRS [deg]")
    dec: float = Field(description="Centre, ICRS [deg]")
    image: int | None = Field(description="Image; null: there is none")
    image_id: str | None = Field(description="sha256 of the image")
    time_start: datetime | None = Field(description="Start of the exposure")
    freq_eff_hz: float | None = Field(description="[Hz]")
    stokes: str | None
    state: str = Field(description="waiting, stored or missing")
    reason: str | None = Field(description="Why it is missing: no_earlier_image, outside, ...")
    sha256: str | None = Field(description="Of the FITS file; null where it is made when asked")
    n_bytes: int | None = Field(description="Size of the FITS file [byte]")
    time_answered: datetime | None = Field(description="When it was stored, or went missing")
    fits: str | None = Field(description="Path of the FITS file; null: there is none")
    png: str | None = Field(description="Path of the picture; null: there is none")
