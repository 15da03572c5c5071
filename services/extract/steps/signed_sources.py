"""Sources of either sign: those of Stokes Q, U and V may be negative."""

from dataclasses import fields, replace

import numpy as np
import numpy.typing as npt

from schemas.quality import QualityFlag
from services.extract.models import BeamShape, FinderParameters, FoundSources
from services.extract.steps.finder import find_sources
from services.extract.steps.peaks import Peaks

__all__ = ["SIGNED_STOKES", "find_signed_sources"]

FloatArray = npt.NDArray[np.float64]

# Parameters and products of receptors that may be negative; those of one receptor are powers.
SIGNED_STOKES = frozenset({"Q", "U", "V", "RL", "LR", "XY", "YX"})


def find_signed_sources(
    pixels: npt.NDArray[np.float32],
    background_grid: FloatArray,
    rms_grid: FloatArray,
    beam: BeamShape,
    parameters: FinderParameters,
    peaks: Peaks | None = None,
    *,
    bright_px: FloatArray,
) -> FoundSources:
    """Detect by the absolute value, and measure with the sign.

    Parameters are those of `find_sources`.

    Returns
    -------
    FoundSources
        By row and column. Negative sources have a negative amplitude and the flag ``NEGATIVE``;
        their significance is positive.
    """
    positive, negative = (None, None) if peaks is None else _split(peaks, pixels)
    above = find_sources(
        pixels, background_grid, rms_grid, beam, parameters, positive, bright_px=bright_px
    )
    below = find_sources(
        -pixels, -background_grid, rms_grid, beam, parameters, negative, bright_px=bright_px
    )
    below = replace(
        below,
        amplitude=-below.amplitude,
        quality_flags=below.quality_flags | int(QualityFlag.NEGATIVE),
    )
    both = FoundSources(
        *(
            np.concatenate([getattr(above, column.name), getattr(below, column.name)])
            for column in fields(FoundSources)
        )
    )
    return both.select(np.lexsort([both.x, np.round(both.y)]))


def _split(peaks: Peaks, pixels: npt.NDArray[np.float32]) -> tuple[Peaks, Peaks]:
    """Return the peaks where the image is above its background, and negated the others."""
    is_below = pixels[peaks.y, peaks.x] < peaks.background
    above, below = (
        Peaks(*(getattr(peaks, column.name)[chosen] for column in fields(Peaks)))
        for chosen in (~is_below, is_below)
    )
    return above, replace(below, background=-below.background)
