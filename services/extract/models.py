"""What the extractor knows of an image and its sources."""

from dataclasses import dataclass
from enum import IntFlag

import numpy as np
import numpy.typing as npt

from sky.metadata import HeaderMetadata
from sky.wcs import SkyProjection

__all__ = ["FinderParameters", "FoundSources", "Image", "QualityFlag"]

FloatArray = npt.NDArray[np.float64]


class QualityFlag(IntFlag):
    """What to keep in mind about a measurement; also in docs/glossary.md."""

    EDGE = 1
    BLENDED = 2
    BLANK_PIXELS = 4
    FIT_FAILED = 8
    EXTENDED = 16


@dataclass(frozen=True, slots=True)
class FinderParameters:
    """The knobs of source finding, as in the settings section `extract`."""

    detection_threshold_sigma: float = 8.0
    analysis_threshold_sigma: float = 3.0
    background_cell_px: int = 50
    margin_px: int = 10
    force_beam: bool = True


@dataclass(frozen=True, slots=True)
class Image:
    """A readable image: pixels (ny, nx) float32 [Jy/beam], NaN is blank."""

    pixels: npt.NDArray[np.float32]
    metadata: HeaderMetadata
    wcs_header: str
    projection: SkyProjection


@dataclass(frozen=True, slots=True)
class FoundSources:
    """Sources in pixels, before they are put on the sky; all arrays have length n.

    `significance` is the fitted peak over the local rms; `amplitude` is the same peak without
    the bias of having looked for a maximum. It and `rms_local` are in Jy/beam, `x`, `y` and the shape
    (`major_px`, `minor_px` FWHM) in pixels, `angle_rad` from +x towards +y.
    """

    significance: FloatArray
    amplitude: FloatArray
    x: FloatArray
    y: FloatArray
    major_px: FloatArray
    minor_px: FloatArray
    angle_rad: FloatArray
    rms_local: FloatArray
    quality_flags: npt.NDArray[np.int64]
    rms_grid: FloatArray
