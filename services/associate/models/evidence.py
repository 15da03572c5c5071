"""What decisions ask of the catalogue, and what it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from schemas.messages import FloatArray, IntArray
from services.associate.models.catalogue import (
    NO_NULL_DETECTIONS,
    FirstDetections,
    NullDetections,
)
from services.associate.models.look_back import LookBackImage
from sky.geometry import Probes

__all__ = [
    "NOTHING_WAITS",
    "Evidence",
    "LastNotified",
    "NotifiedSources",
    "PriorCoverage",
    "Questions",
    "WaitingSources",
]


@dataclass(frozen=True, slots=True)
class NotifiedSources:
    """Sources that events have announced, and which of their transients may be updated.

    Parameters
    ----------
    max_updates : int
        Transients with as many updates are left out [-].
    notified_before : datetime
        Transients whose last event is of a later exposure are left out.
    """

    ids: Sequence[int]
    max_updates: int
    notified_before: datetime


@dataclass(frozen=True, slots=True)
class Questions:
    """What a decision needs from the catalogue once the detections have their sources.

    Parameters
    ----------
    n_images, n_sources : int
        Keys and ids to reserve [-].
    first_detections : mapping
        By the number of the image in the timestep; those of late images begin nothing.
    notified : NotifiedSources or None
        None: nothing can be updated.
    first_image_keys : sequence of int
        Images whose `image_id` is needed.
    active_again_ids : sequence of int
        Sources of a new episode whose earlier ones are to be cited.
    detected_ids : (n,) int64 or None
        Known sources that were detected; None: null detections are not counted.
    field : Probes or None
        Boxes of the search index that hold what the images cover, and every source that they
        detect; None without `detected_ids`.
    look_back_before : datetime or None
        Earlier images than this may be measured again; None: first detections look back at none.
    """

    n_images: int
    n_sources: int
    first_detections: Mapping[int, FirstDetections] = field(default_factory=dict)
    notified: NotifiedSources | None = None
    first_image_keys: Sequence[int] = ()
    active_again_ids: Sequence[int] = ()
    detected_ids: IntArray | None = None
    field: Probes | None = None
    look_back_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class PriorCoverage:
    """An earlier image that may have covered a position.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns [px].
    margin_px : int
        Border in which no sources were searched [px].
    detection_threshold_sigma : float or None
        Threshold of its own search [sigma]; None: it was not stored.
    rms_grid : (rows, columns) float64
        Local rms at the cell centres [Jy/beam].
    image_key : int
        Its key.
    time_start : datetime or None
        Start of the exposure.
    is_late : bool
        Whether it came behind the clock of its stream.
    """

    wcs_header: str
    shape: tuple[int, int]
    margin_px: int
    detection_threshold_sigma: float | None
    rms_grid: FloatArray
    image_key: int = 0
    time_start: datetime | None = None
    is_late: bool = False


@dataclass(frozen=True, slots=True)
class LastNotified:
    """A transient and what its last event reported.

    Parameters
    ----------
    ra, dec : float
        Position, ICRS [deg].
    ra_err_deg, dec_err_deg : float
        1 sigma on the sky [deg].
    limit_previous_jy_beam : float or None
        Flux that an earlier image of the position would have detected [Jy/beam].
    """

    transient_id: int
    trig_id: str
    source_id: int
    kind: str
    certainty: str
    snr: float
    n_bands: int
    ra: float
    dec: float
    ra_err_deg: float
    dec_err_deg: float
    limit_previous_jy_beam: float | None


@dataclass(frozen=True, slots=True)
class WaitingSources:
    """What a stream waits for, seen from a timestep: how many others, and which of its sources."""

    n_timesteps: int
    source_ids: IntArray


NOTHING_WAITS = WaitingSources(0, np.empty(0, np.int64))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the catalogue has on `Questions`.

    Parameters
    ----------
    image_keys, source_ids : sequence of int
        Reserved, ascending.
    prior_coverage : mapping
        Deepest earlier images around the first detections, by the number of the image.
    image_ids : mapping
        `image_id` by `image_key`.
    earlier_trig_ids : mapping
        Those of earlier episodes by the id of the source, the newest first.
    waiting : WaitingSources
        Of the known sources of the timestep, those that wait for an earlier one.
    look_back_images : mapping
        Images that may be measured again, in the order of their time, by the number of the image
        with first detections.
    """

    image_keys: Sequence[int]
    source_ids: Sequence[int]
    prior_coverage: Mapping[int, Sequence[PriorCoverage]] = field(default_factory=dict)
    last_notified: Sequence[LastNotified] = ()
    image_ids: Mapping[int, str] = field(default_factory=dict)
    earlier_trig_ids: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    null_detections: NullDetections = NO_NULL_DETECTIONS
    waiting: WaitingSources = NOTHING_WAITS
    look_back_images: Mapping[int, Sequence[LookBackImage]] = field(default_factory=dict)
