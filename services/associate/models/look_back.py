"""First detections where earlier images had looked, and what these show at their places."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from schemas.messages import FloatArray, ImageDetections, SourceEvent
from services.associate.models.solutions import ImageSolution

__all__ = [
    "FIRST_LOOK_BACK_NUMBER",
    "AnnouncedTransient",
    "LookBackImage",
    "LookBackRow",
    "LookBackVerdict",
    "PendingLookBack",
    "PreviousFluxes",
    "VerdictKind",
    "look_back_number",
]

VerdictKind = Literal["new_source", "known_below_threshold", "not_looked_back"]
# Blind and forced measurements have the numbers below; a source is looked back at once an image.
FIRST_LOOK_BACK_NUMBER = 1 << 30


def look_back_number(source_id: int) -> int:
    """Return the number of the measurement of a source in an image from before its detection."""
    return FIRST_LOOK_BACK_NUMBER + source_id % FIRST_LOOK_BACK_NUMBER


@dataclass(frozen=True, slots=True)
class LookBackImage:
    """An earlier image of a band whose pixels may be measured again.

    `record` has neither its stream, nor sources, nor an rms grid; `is_late`: it came behind the
    clock of its stream.
    """

    image_key: int
    record: ImageDetections
    solution: ImageSolution
    is_late: bool = False


@dataclass(frozen=True, slots=True)
class LookBackRow:
    """A row of table `look_back`, before any answer.

    Parameters
    ----------
    event : SourceEvent
        What the verdict may tell; it has no transient yet.
    image_key : int
        Image of its detection.
    image_keys : tuple of int
        Earlier images that are measured at its place.
    is_new_by_limit : bool
        Whether the deepest earlier image would have detected it.
    time_limit : datetime
        Until when the event waits for the answers.
    """

    event: SourceEvent
    image_key: int
    image_keys: tuple[int, ...]
    is_new_by_limit: bool
    time_limit: datetime


@dataclass(frozen=True, slots=True)
class PreviousFluxes:
    """What earlier images of a band show at a place, in the order of their time; (n,) each.

    Parameters
    ----------
    flux_jy_beam, err_jy_beam : (n,) float64
        Peak fluxes and their errors, 1 sigma [Jy/beam].
    times : tuple of datetime
        Starts of the exposures.
    """

    flux_jy_beam: FloatArray
    err_jy_beam: FloatArray
    times: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class PendingLookBack:
    """A look back without a verdict.

    Parameters
    ----------
    source_id, band_id : int
        Its source, and the band of its detection.
    has_episode : bool
        Whether an event has announced the source.
    n_missing : int
        Images without an answer [-].
    """

    source_id: int
    band_id: int
    image_key: int
    event: SourceEvent
    is_new_by_limit: bool
    has_episode: bool
    n_missing: int
    previous: PreviousFluxes


@dataclass(frozen=True, slots=True)
class LookBackVerdict:
    """What the earlier images say of a source; numbers are None where none could be measured.

    Parameters
    ----------
    sigma : float or None
        Significance of the change, in standard deviations of a normal distribution [sigma].
    flux_previous_jy_beam, flux_previous_err_jy_beam : float or None
        Weighted mean of the earlier fluxes and its error [Jy/beam].
    time_previous : datetime or None
        Start of the latest of the exposures.
    """

    kind: VerdictKind
    n_look_back: int = 0
    sigma: float | None = None
    flux_previous_jy_beam: float | None = None
    flux_previous_err_jy_beam: float | None = None
    time_previous: datetime | None = None


@dataclass(frozen=True, slots=True)
class AnnouncedTransient:
    """A transient that was announced before its look back ended, and its last event."""

    transient_id: int
    last_event: SourceEvent
