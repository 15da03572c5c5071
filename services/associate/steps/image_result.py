"""What association takes from one image, and what it gives back."""

from dataclasses import dataclass

from schemas.messages import FloatArray, IntArray
from services.associate.models.change_state import SourceLooks
from services.associate.steps.matching import Links

__all__ = ["ImageResult", "MeasuredColumns"]


@dataclass(frozen=True, slots=True)
class MeasuredColumns:
    """What association needs of one image's detections; (n,) each, errors statistical."""

    ra: FloatArray
    dec: FloatArray
    ra_err_deg: FloatArray
    dec_err_deg: FloatArray
    flux_peak: FloatArray
    flux_peak_err: FloatArray
    flux_int: FloatArray
    flux_int_err: FloatArray


@dataclass(frozen=True, slots=True)
class ImageResult:
    """The sources of an image's detections.

    Parameters
    ----------
    source : (n,) int64
        Row of the candidates that each detection belongs to.
    radius : (n,) float64
        Its De Ruiter radius; NaN where it created the source.
    shared : Links
        Further sources of a detection (n-1).
    near_known : (k,) int64
        Detections that created a source near a known one, whose flux they do not share.
    touched : Links
        Every source that a detection belongs to, and the detection.
    looked : SourceLooks or None
        What the tests for changes say of those that are judged; None: they did not look.
    """

    source: IntArray
    radius: FloatArray
    shared: Links
    near_known: IntArray
    touched: Links
    looked: SourceLooks | None = None
