"""What every finder gives, in one form."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ANALYSIS_SIGMA", "CELL_PX", "DETECTION_SIGMA", "Measured"]

FloatArray = NDArray[np.float64]

# What all finders are asked for.
DETECTION_SIGMA, ANALYSIS_SIGMA, CELL_PX = 5.0, 3.0, 64


@dataclass(frozen=True, slots=True)
class Measured:
    """What a finder found; an error column it does not give is NaN."""

    x: FloatArray
    y: FloatArray
    x_err: FloatArray
    y_err: FloatArray
    peak: FloatArray
    peak_err: FloatArray
    flux: FloatArray
    flux_err: FloatArray
