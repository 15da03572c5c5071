"""Data classes of the extract service: images, settings of the finder, sources."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from schemas.messages import SourceColumns, SourceOffset
from sky.metadata import HeaderMetadata
from sky.wcs import SkyProjection

__all__ = [
    "BeamShape",
    "Digest",
    "ExtractedImage",
    "Extraction",
    "FinderParameters",
    "FoundSources",
    "Image",
    "LocalBeams",
    "ReceivedImage",
    "Shapes",
    "axes_of",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_LN2 = math.log(2.0)


@dataclass(frozen=True, slots=True)
class FinderParameters:
    """The settings of source finding, as in the settings section `extract`.

    `connectivity` is how many neighbours of a pixel may belong to its island.
    `contrast_sigma` is the least depth of the saddle between two peaks of an island that are
    two sources [local rms]. `radius_px` is the radius of the circle about the image centre in
    which peaks are searched. `median_filter_cells` is the window of the median filter of the
    grids. `fdr_alpha` is a false discovery rate that replaces the detection threshold.
    `negative_sources` is whether sources may be negative in images of Stokes Q, U or V.
    `flux_calibration_error` (relative), `clean_bias_jy_beam` and `clean_bias_err_jy_beam`
    correct the fluxes of sources and of given positions, and enlarge their errors.
    """

    detection_threshold_sigma: float = 8.0
    analysis_threshold_sigma: float = 3.0
    background_cell_px: int = 50
    margin_px: int = 10
    force_beam: bool = True
    connectivity: Literal[4, 8] = 8
    contrast_sigma: float = 1.0
    radius_px: float | None = None
    median_filter_cells: int = 1
    fdr_alpha: float | None = None
    negative_sources: bool = True
    flux_calibration_error: float = 0.0
    clean_bias_jy_beam: float = 0.0
    clean_bias_err_jy_beam: float = 0.0


class Digest(Protocol):
    """The identity of an image, as `ImageDigest` has it; it may still be computed."""

    @property
    def file_sha256(self) -> str:
        """Return sha256 of the FITS file alone."""

    @property
    def image_id(self) -> str:
        """Return sha256 of the file and of the cards set beside it."""


@dataclass(frozen=True, slots=True)
class ReceivedImage:
    """An image as it came on Kafka: the bytes of a FITS file and its message headers.

    Parameters
    ----------
    data : bytes
        The FITS file.
    cards : mapping of str to str
        FITS cards to add or override.
    digest : Digest
        Its identity.
    expected_sha256 : str or None
        sha256 of the file as its producer computed it.
    stream : str or None
        Stream that its producer names; None: the image's TELESCOP card does.
    source : SourceOffset
        Where on Kafka it is.
    time_sent, time_appended : datetime or None
        When its producer sent it and when Kafka stored it, UTC.
    n_bands : int or None
        Images (bands and Stokes parameters) of a timestep of its stream, as its producer says.
    """

    data: bytes
    cards: Mapping[str, str]
    digest: Digest
    expected_sha256: str | None
    stream: str | None
    source: SourceOffset
    time_sent: datetime | None
    time_appended: datetime | None
    n_bands: int | None = None


class LocalBeams(Protocol):
    """Restoring beams that differ from place to place."""

    @property
    def typical(self) -> "BeamShape":
        """Return the median beam."""

    def quadratics(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return (n, 3) a, b, c of the beams at n places [1/px^2]."""


@dataclass(frozen=True, slots=True)
class Image:
    """A readable image: pixels (ny, nx) float32 [Jy/beam], NaN is blank, none below `lowest`.

    `warnings` list doubtful values: optional cards that are unreadable, constants
    that were taken for blank. `local_beams` are those of a mosaic that brings a map of them.
    `bright_positions` are right ascensions and declinations, ICRS [deg], of sources whose side
    lobes may be in the image although they are not.
    """

    pixels: npt.NDArray[np.float32]
    metadata: HeaderMetadata
    wcs_header: str
    projection: SkyProjection
    lowest: np.float32
    warnings: tuple[str, ...] = ()
    local_beams: LocalBeams | None = None
    bright_positions: tuple[FloatArray, FloatArray] | None = None


@dataclass(frozen=True, slots=True)
class BeamShape:
    """The restoring beam in pixels.

    Parameters
    ----------
    major_px, minor_px : float
        FWHM [px].
    angle_rad : float
        Of the major axis, from +x towards +y [rad].
    local : LocalBeams or None
        Beams of a mosaic; the other parameters are then typical ones, for distances in beams.
        None: the beam is the same everywhere.
    """

    major_px: float
    minor_px: float
    angle_rad: float
    local: LocalBeams | None = None

    @property
    def area_px(self) -> float:
        """Return the solid angle of the beam [px]."""
        return math.pi * self.major_px * self.minor_px / (4 * _LN2)

    @property
    def mean_px(self) -> float:
        """Return the geometric mean of the axes (FWHM) [px]."""
        return math.sqrt(self.major_px * self.minor_px)

    @property
    def quadratic(self) -> tuple[float, float, float]:
        """Return a, b, c of exp(-(a dx^2 + 2 b dx dy + c dy^2)) [1/px^2]."""
        along, across = 4 * _LN2 / self.major_px**2, 4 * _LN2 / self.minor_px**2
        cos, sin = math.cos(self.angle_rad), math.sin(self.angle_rad)
        return (
            along * cos**2 + across * sin**2,
            (along - across) * sin * cos,
            along * sin**2 + across * cos**2,
        )

    def quadratics(self, x: FloatArray | IntArray, y: FloatArray | IntArray) -> FloatArray:
        """Return (n, 3) a, b, c of the beams at n places [px], as `quadratic` does."""
        if self.local is not None:
            return self.local.quadratics(x.astype(np.float64), y.astype(np.float64))
        result = np.empty((x.size, 3))
        result[:] = self.quadratic
        return result

    def axes(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return (3, n) major and minor axis [px] and angle [rad] of the beams at n places."""
        if self.local is not None:
            return axes_of(self.local.quadratics(x, y))
        result = np.empty((3, x.size))
        result[0], result[1], result[2] = self.major_px, self.minor_px, self.angle_rad
        return result


def axes_of(quadratics: FloatArray) -> FloatArray:
    """Return (3, n) FWHM [px] of the axes and the major one's angle [rad] of (n, 3) a, b, c.

    One by one: vectors of numpy give other last digits on other processors.
    """
    axes = np.array([_axes(*each) for each in quadratics]).reshape(-1, 3)
    return np.ascontiguousarray(axes.T)


def _axes(a: float, b: float, c: float) -> tuple[float, float, float]:
    middle, half = (a + c) / 2, math.hypot((a - c) / 2, b)
    major, minor = math.sqrt(4 * _LN2 / (middle - half)), math.sqrt(4 * _LN2 / (middle + half))
    return major, minor, 0.5 * math.atan2(-2 * b, c - a)


@dataclass(frozen=True, slots=True)
class FoundSources:
    """Sources in pixel coordinates; all arrays have length n.

    `significance` is the fitted peak over the local rms; `amplitude` is the same peak without
    the bias of selecting a maximum of the noise. It and `rms_local` are in Jy/beam, `x`, `y` and
    the shape (`major_px`, `minor_px` FWHM) in pixels, `angle_rad` from +x towards +y.
    `is_free` is true where the shape was fitted; else it is the beam's. `chi2_reduced` is the
    mean squared residual from that shape over the square of the local rms.
    `p_false` is the share of comparable peaks around it that artefacts of a bright source explain.
    """

    significance: FloatArray
    amplitude: FloatArray
    x: FloatArray
    y: FloatArray
    major_px: FloatArray
    minor_px: FloatArray
    angle_rad: FloatArray
    rms_local: FloatArray
    chi2_reduced: FloatArray
    p_false: FloatArray
    is_free: npt.NDArray[np.bool_]
    quality_flags: npt.NDArray[np.int64]

    def select(self, keep: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> "FoundSources":
        """Return the sources where `keep` (n,) is true, or those of its indices."""
        return FoundSources(*(getattr(self, column.name)[keep] for column in fields(self)))


@dataclass(frozen=True, slots=True)
class Shapes:
    """Parameters of the sources beyond the public columns; all (n,) float64.

    `x_px`, `y_px` are 0-based; axes are FWHM [arcsec], angles east of north [deg]; ``_dc`` is
    deconvolved from the beam: 0 for an axis that is not resolved, with NaN as its error.
    `chi2_reduced` is that of `FoundSources`.
    """

    x_px: FloatArray
    y_px: FloatArray
    major_err_arcsec: FloatArray
    minor_err_arcsec: FloatArray
    pa_err_deg: FloatArray
    major_dc_arcsec: FloatArray
    minor_dc_arcsec: FloatArray
    pa_dc_deg: FloatArray
    major_dc_err_arcsec: FloatArray
    minor_dc_err_arcsec: FloatArray
    pa_dc_err_deg: FloatArray
    chi2_reduced: FloatArray


@dataclass(frozen=True, slots=True)
class Extraction:
    """Everything that was measured in an image.

    `background_grid` and `rms_grid` are (rows, columns) float64 at the cell centres
    [Jy/beam]; `rms_jy_beam` is the median of `rms_grid`. `detection_threshold_sigma` is the one
    that was used, also where a false discovery rate chose it; infinite if nothing passed.
    Fluxes at given positions are corrected by the same `parameters` as those of the sources.
    """

    sources: SourceColumns
    found: FoundSources
    background_grid: FloatArray
    rms_grid: FloatArray
    rms_jy_beam: float
    detection_threshold_sigma: float
    parameters: FinderParameters


@dataclass(frozen=True, slots=True)
class ExtractedImage:
    """An image and its sources."""

    image: Image
    extraction: Extraction
