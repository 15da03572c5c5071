"""Stamps: what is shown of a transient, and in which image."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from schemas.messages import SourceOffset, StampRequest

__all__ = ["StampImage", "StampPlan", "StampPlans", "StampRole", "StampTransient"]

StampRole = Literal["now", "before", "deepest"]


@dataclass(frozen=True, slots=True)
class StampImage:
    """An accepted image that a stamp may be cut from."""

    image_key: int
    image_id: str
    time_start: datetime
    freq_eff_hz: float
    stokes: str
    rms_jy_beam: float
    wcs_header: str
    width_px: int
    height_px: int
    source: SourceOffset


@dataclass(frozen=True, slots=True)
class StampTransient:
    """A transient that has no stamps, with the image of its detection; ICRS [deg]."""

    transient_id: int
    trig_id: str
    source_id: int
    stream_id: int
    stream: str
    ra: float
    dec: float
    band_id: int
    image: StampImage


@dataclass(frozen=True, slots=True)
class StampPlan:
    """A stamp to ask for; `reason` is why there is none, else None."""

    transient: StampTransient
    role: StampRole
    stamp_id: str
    image: StampImage | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class StampPlans:
    """What is asked for: rows, and requests with the frequency of their image [Hz]."""

    plans: tuple[StampPlan, ...]
    requests: tuple[tuple[float, StampRequest], ...]
