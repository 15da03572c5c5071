"""What the catalogue has about the source of an event: bands, history, surroundings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from schemas.messages import FloatArray, IntArray

__all__ = [
    "NO_CONTEXT",
    "BandFlux",
    "CatalogueMatch",
    "ContextRows",
    "EventContext",
    "FalseAlarmCounts",
    "FirstAlert",
    "History",
    "LookedImage",
    "NegativeRate",
    "Point",
    "SourceTotals",
    "SpectralIndex",
    "Timestep",
]


@dataclass(frozen=True, slots=True)
class LookedImage:
    """An accepted image: of the timestep of an event, or an earlier one of its channel.

    Parameters
    ----------
    image_key, band_id : int
        Keys of the image and of its band [-].
    shape : (int, int)
        Rows and columns [px].
    margin_px : int
        Border in which no sources were searched [px].
    threshold_sigma : float or None
        Detection threshold [sigma]; None: not stored.
    rms_grid : (rows, columns) float64 or None
        Local rms at the cell centres [Jy/beam]; None for an earlier image.
    field_ra, field_dec : float
        Centre, ICRS [deg].
    """

    image_key: int
    image_id: str
    band_id: int
    time_start: datetime
    exposure_s: float
    freq_eff_hz: float
    freq_bw_hz: float
    stokes: str
    wcs_header: str
    shape: tuple[int, int]
    margin_px: int
    threshold_sigma: float | None
    rms_grid: FloatArray | None
    field_ra: float
    field_dec: float


@dataclass(frozen=True, slots=True)
class Timestep:
    """The images of the timestep of an event, and the newest before it of its channel.

    Parameters
    ----------
    stream_id : int
        Key of the stream [-].
    own : LookedImage
        Image of the event.
    images : tuple of LookedImage
        All of its timestep, `own` among them.
    earlier : tuple of LookedImage
        Earlier ones of the same band and Stokes parameter, the newest first.
    n_candidates : int
        Transients that `own` created, and sources that wait for their look back although the limit
        calls them new [-].
    """

    stream_id: int
    own: LookedImage
    images: tuple[LookedImage, ...]
    earlier: tuple[LookedImage, ...] = ()
    n_candidates: int = 0


@dataclass(frozen=True, slots=True)
class Point:
    """A measurement of a source, blind or forced; `threshold_sigma` is that of its image."""

    image_key: int
    image_id: str
    band_id: int
    time_start: datetime
    exposure_s: float
    freq_eff_hz: float
    freq_bw_hz: float
    stokes: str
    extraction_type: str
    flux_peak_jy_beam: float
    flux_peak_err_jy_beam: float
    flux_int_jy: float
    flux_int_err_jy: float
    snr: float
    rms_local_jy_beam: float
    threshold_sigma: float | None

    @property
    def is_detection(self) -> bool:
        """Whether it is a blind detection, or as significant as one."""
        return self.extraction_type == "blind" or (
            self.threshold_sigma is not None and self.snr >= self.threshold_sigma
        )


@dataclass(frozen=True, slots=True)
class BandFlux:
    """What one image of the timestep of an event has at its position.

    Parameters
    ----------
    point : Point or None
        None: the image covers the position, and nothing was detected or measured yet.
    limit_jy_beam : float or None
        Detection limit at the position [Jy/beam]; None: unknown.
    is_headline : bool
        The single fluxes of the alert are of this image.
    """

    freq_eff_hz: float
    freq_bw_hz: float
    stokes: str
    point: Point | None
    limit_jy_beam: float | None
    is_headline: bool


@dataclass(frozen=True, slots=True)
class SpectralIndex:
    """Exponent of flux over frequency, S ~ nu^value, with its 1-sigma error [-]."""

    value: float
    err: float


@dataclass(frozen=True, slots=True)
class History:
    """The channel of an event in the 30 days before it, at most 200 looks of all channels.

    Parameters
    ----------
    n_looks, n_detections : int
        Measurements of all time, and those that are detections [-].
    last : Point or None
        The newest of them.
    mean_jy_beam, mean_err_jy_beam : float or None
        Mean peak flux weighted by the errors, and its error [Jy/beam].
    time_last_non_detection : datetime or None
        Start of the newest exposure that covers the position and does not detect the source.
    time_first_detection : datetime or None
        Start of the exposure of the oldest detection in any channel.
    time_before_change : datetime or None
        Start of the newest exposure whose flux, within its error, was not on the side of the mean
        on which the flux of the event is.
    """

    n_looks: int = 0
    n_detections: int = 0
    last: Point | None = None
    mean_jy_beam: float | None = None
    mean_err_jy_beam: float | None = None
    time_last_non_detection: datetime | None = None
    time_first_detection: datetime | None = None
    time_before_change: datetime | None = None


@dataclass(frozen=True, slots=True)
class CatalogueMatch:
    """The source of a reference catalogue that is nearest to a position; `ra`, `dec` ICRS."""

    catalogue: str
    ra: float
    dec: float
    distance_arcsec: float
    source_name: str | None = None
    flux_jy: float | None = None


@dataclass(frozen=True, slots=True)
class NegativeRate:
    """Peaks of negated images of a band: as many sources are false.

    Parameters
    ----------
    n_days : float
        Days in which they were found [d].
    snr : (n,) float64
        S/N, ascending [-].
    n_peaks : (n,) int64
        Peaks that each stands for: one, and the fainter ones of its image, not listed [-].
    """

    n_days: float
    snr: FloatArray
    n_peaks: IntArray


@dataclass(frozen=True, slots=True)
class FalseAlarmCounts:
    """What false alarms of a stream are expected from.

    Parameters
    ----------
    looks_per_day : float
        Independent beams that are searched a day [1/d].
    n_days : float
        Days that `false_snr` was collected in [d].
    false_snr : (n,) float64
        S/N of retracted new sources, and of the largest event of each storm, ascending [-].
    retracted : tuple of (float, float)
        Positions of the retracted transients, ICRS [deg].
    tests_per_day : float
        Measurements of known sources a day, each tested for a change [1/d].
    n_false_changes : int
        Retracted changes of known sources [-].
    negative : mapping of int to NegativeRate
        By the key of a band the peaks of its negated images.
    """

    looks_per_day: float
    n_days: float
    false_snr: FloatArray
    retracted: tuple[tuple[float, float], ...] = ()
    tests_per_day: float = 0.0
    n_false_changes: int = 0
    negative: Mapping[int, NegativeRate] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FirstAlert:
    """What the first alert of a family said, and of which band.

    Parameters
    ----------
    time_start : datetime
        Start of its exposure.
    flux_jy_beam, flux_err_jy_beam : float or None
        Its peak flux and the error [Jy/beam]; None: it has none.
    expected_jy_beam, expected_err_jy_beam : float or None
        What was expected of it, and the error [Jy/beam]; None: nothing was.
    """

    time_start: datetime
    freq_eff_hz: float
    stokes: str
    flux_jy_beam: float | None
    flux_err_jy_beam: float | None
    expected_jy_beam: float | None = None
    expected_err_jy_beam: float | None = None


@dataclass(frozen=True, slots=True)
class SourceTotals:
    """What the statistics of a source have of all the time before an event.

    Parameters
    ----------
    time_first : datetime
        Start of the exposure of its first detection.
    n_looks, n_blind : int
        Measurements in the channel of the event, and the blind ones of them [-].
    """

    time_first: datetime
    n_looks: int
    n_blind: int


@dataclass(frozen=True, slots=True)
class ContextRows:
    """What the catalogue has about an event.

    Parameters
    ----------
    timestep : Timestep or None
        None: the catalogue does not have its image.
    points : tuple of Point
        Measurements of its source until the end of the timestep, the newest first.
    matches : tuple of CatalogueMatch
        Near sources of reference catalogues.
    counts : FalseAlarmCounts or None
        Of its stream; None: unknown.
    stamps : tuple of (str, bytes)
        What each stamp of its family shows, and its FITS file.
    totals : SourceTotals or None
        Of its source; None: it is not in the running catalogue.
    """

    timestep: Timestep | None = None
    points: tuple[Point, ...] = ()
    matches: tuple[CatalogueMatch, ...] = ()
    counts: FalseAlarmCounts | None = None
    stamps: tuple[tuple[str, bytes], ...] = ()
    totals: SourceTotals | None = None


@dataclass(frozen=True, slots=True)
class EventContext:
    """Everything about an event that it does not carry itself.

    Parameters
    ----------
    bands : tuple of BandFlux
        In ascending frequency.
    previous : tuple of Point
        Measurements of the 30 days before, at most 200, the newest first.
    matches : tuple of CatalogueMatch
        Nearest source of each reference catalogue within 1 arcmin, the nearest first.
    field_distance_deg : float or None
        Distance to the centre of the image [deg].
    n_retracted_here : int
        Retracted transients within a beam of the position [-].
    false_alarms_per_day : float or None
        Expected of this S/N or more [1/d]; None: unknown.
    stamps : tuple of (str, bytes)
        What each stamp of its family shows, and its FITS file.
    first_alert : FirstAlert or None
        Of its family; None: it is the first.
    """

    bands: tuple[BandFlux, ...] = ()
    spectral_index: SpectralIndex | None = None
    history: History = field(default_factory=History)
    previous: tuple[Point, ...] = ()
    matches: tuple[CatalogueMatch, ...] = ()
    field_distance_deg: float | None = None
    n_retracted_here: int = 0
    false_alarms_per_day: float | None = None
    stamps: tuple[tuple[str, bytes], ...] = ()
    first_alert: FirstAlert | None = None


NO_CONTEXT = EventContext()
