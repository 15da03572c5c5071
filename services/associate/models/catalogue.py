"""What the catalogue has around a timestep, before anything is decided."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from schemas.messages import BoolArray, FloatArray, ImageDetections, IntArray
from services.associate.models.timesteps import Band, KnownImage, SameTimeImage

__all__ = [
    "CHANGE_STATE_BYTES",
    "FIRST_FORCED_NUMBER",
    "MOMENT_COLUMNS",
    "NO_MONITORS",
    "NO_NULL_DETECTIONS",
    "NO_SEEN_LATE",
    "NO_TRACKS",
    "N_FORCED_NUMBERS",
    "SOURCE_DTYPE",
    "STATISTICS_DTYPE",
    "TRACK_COLUMNS",
    "TRACK_DTYPE",
    "BandFlux",
    "CatalogueState",
    "ChannelKey",
    "FirstDetections",
    "MeasuredImage",
    "Monitors",
    "NullDetections",
    "RowArray",
    "SeenLate",
    "TimestepStart",
]

RowArray = npt.NDArray[np.void]
# Band id and Stokes parameter: what has light-curve statistics of its own.
ChannelKey = tuple[int, str]

# Columns of table `source` that association reads, as `select_candidates.sql` returns them.
SOURCE_DTYPE = np.dtype(
    [
        ("id", np.int64), ("search_ra", np.float64), ("search_dec", np.float64),
        ("ra", np.float64), ("dec", np.float64), ("weight_ra", np.float64),
        ("weight_dec", np.float64), ("n_datapoints", np.int32), ("n_forced", np.int32),
        ("is_new", np.bool_), ("is_variable", np.bool_), ("activity", np.int16),
        ("n_quiet", np.int32), ("n_quiet_needed", np.int32), ("n_episodes", np.int32),
        ("first_image_key", np.int64), ("first_source_number", np.int32),
    ]
)  # fmt: skip
# Columns of table `source_band` by the fields of `sky.statistics`: of the integrated and of the
# peak flux of the blind points, and of the forced points, where the two are one number.
MOMENT_COLUMNS: Mapping[str, Mapping[str, str]] = {
    kind: {
        "mean": f"flux_{kind}_mean_{unit}",
        "m2": f"flux_{kind}_m2",
        "weight": f"flux_{kind}_weight",
        "wmean": f"flux_{kind}_wmean_{unit}",
        "wm2": f"flux_{kind}_wm2",
    }
    for kind, unit in (("int", "jy"), ("peak", "jy_beam"), ("forced", "jy_beam"))
}
CHANGE_STATE_BYTES = 112
# Blind detections of an image have the numbers below, forced ones so many from here on; looks back
# have those from `FIRST_LOOK_BACK_NUMBER` on.
FIRST_FORCED_NUMBER = 1 << 24
N_FORCED_NUMBERS = (1 << 30) - (1 << 25)
# Columns of table `source_band`, as `select_statistics.sql` returns them.
STATISTICS_DTYPE = np.dtype(
    [
        ("source_id", np.int64),
        ("n_datapoints", np.int32),
        ("n_forced", np.int32),
        *[(name, np.float64) for columns in MOMENT_COLUMNS.values() for name in columns.values()],
        ("flux_int_max_jy", np.float64),
        ("change_state", f"V{CHANGE_STATE_BYTES}"),
    ]
)
# Detections that may belong to a moving object: `track_id` is the source of the object, 0 where
# there is none yet; `look` counts the timesteps of the stream, `time_s` is the middle of the
# exposure since 1970 [s], `err_deg` the error of the position, 1 sigma [deg].
TRACK_DTYPE = np.dtype(
    [
        ("source_id", np.int64), ("track_id", np.int64), ("look", np.int64),
        ("time_s", np.float64), ("ra", np.float64), ("dec", np.float64), ("err_deg", np.float64),
    ]
)  # fmt: skip
NO_TRACKS = np.zeros(0, TRACK_DTYPE)
# Columns of table `tracking` by the fields of `TRACK_DTYPE`.
TRACK_COLUMNS = {name: "looks" if name == "look" else name for name in TRACK_DTYPE.names or ()}


@dataclass(frozen=True, slots=True)
class Monitors:
    """Monitored positions, (n,) each; `source_id` is 0 before the first measurement.

    Parameters
    ----------
    ra, dec : (n,) float64
        Position at the epoch, ICRS [deg].
    pm_ra_cosdec_mas_yr, pm_dec_mas_yr : (n,) float64
        Proper motion [mas/yr].
    epoch_yr : (n,) float64
        Julian year [yr].
    """

    id: IntArray
    ra: FloatArray
    dec: FloatArray
    source_id: IntArray
    pm_ra_cosdec_mas_yr: FloatArray
    pm_dec_mas_yr: FloatArray
    epoch_yr: FloatArray


@dataclass(frozen=True, slots=True)
class NullDetections:
    """Known sources without a blind detection; (n,) each.

    Parameters
    ----------
    n_timesteps : (n,) int64
        Earlier timesteps in a row that covered the position and did not detect the source [-].
    is_stored : (n,) bool
        Whether table `null_detection` has it.
    is_pending : (n,) bool
        New sources that wait for a verdict of the other bands: they do not expire.
    is_active : (n,) bool
        An episode that events have announced goes on, as far as looks are judged.
    n_blind : (n,) int64
        Blind detections [-].
    detected_again : (k,) int64
        Sources of table `null_detection` that the timestep does detect.
    """

    id: IntArray
    ra: FloatArray
    dec: FloatArray
    n_timesteps: IntArray
    is_stored: BoolArray
    is_pending: BoolArray
    is_active: BoolArray
    n_blind: IntArray
    detected_again: IntArray


NO_MONITORS = Monitors(
    np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0, np.int64),
    np.empty(0), np.empty(0), np.empty(0),
)  # fmt: skip
NO_NULL_DETECTIONS = NullDetections(
    np.empty(0, np.int64),
    np.empty(0),
    np.empty(0),
    np.empty(0, np.int64),
    np.empty(0, np.bool_),
    np.empty(0, np.bool_),
    np.empty(0, np.bool_),
    np.empty(0, np.int64),
    np.empty(0, np.int64),
)


@dataclass(frozen=True, slots=True)
class SeenLate:
    """Sources that late images alone have detected: no image in order has looked at them.

    Parameters
    ----------
    ids : (n,) int64
        In ascending order.
    image_ids : mapping
        `image_id` of the images that began them, by `image_key`.
    """

    ids: IntArray
    image_ids: Mapping[int, str]


NO_SEEN_LATE = SeenLate(np.empty(0, np.int64), {})


@dataclass(frozen=True, slots=True)
class TimestepStart:
    """What every timestep of a stream starts from.

    Parameters
    ----------
    bands : mapping
        Id of each band of the stream.
    monitors : Monitors
        Positions that are monitored in it.
    look : int
        Number of the last timestep that was linked [-].
    tracks : (m,) structured, `TRACK_DTYPE`
        Its detections that may belong to moving objects.
    image_keys : sequence of int
        New keys of images, ascending.
    """

    bands: dict[Band, int]
    monitors: Monitors
    look: int
    tracks: RowArray
    image_keys: Sequence[int]


@dataclass(frozen=True, slots=True)
class CatalogueState:
    """What the catalogue has around the detections of a timestep.

    Parameters
    ----------
    bands : mapping
        Id of each band of the stream, those of this timestep included.
    band_ids : sequence of int or None
        Band of each image of the timestep, in its order; None without metadata.
    images : mapping
        Images of this timestep that were stored before, by `image_id`.
    same_time : sequence of SameTimeImage
        Accepted images of the stream that were exposed at its time.
    sources : (n,) structured, `SOURCE_DTYPE`
        In ascending order of id.
    statistics : mapping of (k,) structured, `STATISTICS_DTYPE`
        Of those sources, by band and Stokes parameter.
    tracks : (m,) structured, `TRACK_DTYPE`
        Detections that may belong to moving objects.
    look : int
        Number of the timestep among those that these are counted by.
    image_keys : sequence of int
        New keys of images, as many as the timestep has at least.
    seen_late : SeenLate
        Those of the sources that late images alone have detected.
    """

    stream_id: int
    bands: Mapping[Band, int]
    band_ids: Sequence[int | None]
    images: Mapping[str, KnownImage]
    same_time: Sequence[SameTimeImage]
    sources: RowArray
    statistics: Mapping[ChannelKey, RowArray]
    monitors: Monitors = NO_MONITORS
    tracks: RowArray = field(default_factory=NO_TRACKS.copy)
    look: int = 1
    image_keys: Sequence[int] = ()
    seen_late: SeenLate = NO_SEEN_LATE


@dataclass(frozen=True, slots=True)
class FirstDetections:
    """Positions of the first detections of an image, as of `is_first`; (n,) each [deg]."""

    key: ChannelKey
    ra: FloatArray
    dec: FloatArray


@dataclass(frozen=True, slots=True)
class MeasuredImage:
    """An accepted image of the catalogue, and its record without sources and rms grid."""

    image_key: int
    key: ChannelKey
    record: ImageDetections


@dataclass(frozen=True, slots=True)
class BandFlux:
    """A peak flux with its error [Jy/beam], and the band it was measured in."""

    flux_peak_jy_beam: float
    flux_peak_err_jy_beam: float
    freq_eff_hz: float
    stokes: str
