"""A new source that one image alone has detected, and what the images of other bands show."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.messages import SourceEvent
from services.associate.models.catalogue import BandFlux

__all__ = ["BandImage", "JudgementTimes", "RetractionCandidate", "StreamBands"]


@dataclass(frozen=True, slots=True)
class StreamBands:
    """What a stream has observed.

    Parameters
    ----------
    freq_eff_hz : tuple of float
        Centres of its bands [Hz].
    looked_until : datetime or None
        Start of its last closed timestep with an accepted image.
    """

    freq_eff_hz: tuple[float, ...]
    looked_until: datetime | None


@dataclass(frozen=True, slots=True)
class JudgementTimes:
    """How close the starts of a timestep are, and how long a new source waits for a verdict.

    `longest` is None where there is no other band.
    """

    tolerance: timedelta
    longest: timedelta | None


@dataclass(frozen=True, slots=True)
class RetractionCandidate:
    """A new source that one image alone has detected: in which band, and when.

    Parameters
    ----------
    time_start : datetime
        Start of the exposure of the detection.
    exposure_s : float
        Its length [s].
    """

    last_event: SourceEvent
    stream_id: int
    band_id: int
    time_start: datetime
    exposure_s: float
    detected: BandFlux


@dataclass(frozen=True, slots=True)
class BandImage:
    """An accepted image of another band, and what it has at the position of a new source.

    Parameters
    ----------
    forced : BandFlux or None
        Forced photometry; None: there is none.
    is_gap : bool
        Whether the position could not be measured.
    limit_jy_beam : float
        Peak flux over which its blind detections begin [Jy/beam].
    rms_jy_beam : float
        Median local rms [Jy/beam].
    shape : (int, int)
        Rows and columns [px].
    margin_px : int
        Border in which no sources were searched [px].
    """

    band_id: int
    freq_eff_hz: float
    stokes: str
    time_start: datetime
    exposure_s: float
    forced: BandFlux | None
    is_gap: bool
    limit_jy_beam: float
    rms_jy_beam: float
    wcs_header: str
    shape: tuple[int, int]
    margin_px: int
