"""SEP (SExtractor as a library): moments, windowed positions, circular apertures.

Its best settings for this work: no convolution (the noise is correlated by the beam already), and
its default stack of pixels, doubled only if an image overflows it (a larger stack is cleared at
each call).
"""

import math
from typing import Any

import numpy as np
import sep
from numpy.typing import NDArray

from benchmarks.extraction.measured import ANALYSIS_SIGMA, CELL_PX, DETECTION_SIGMA, Measured

__all__ = ["SepFinder"]

_DEFAULT_STACK_PX = 300_000
# The share of a beam that lies within 1 FWHM of its centre, taken as circular.
_INSIDE = 1 - math.exp(-4 * math.log(2))


class SepFinder:
    """SEP for images of one beam.

    Parameters
    ----------
    fwhm_px : float
        Geometric mean of its axes [px].
    """

    def __init__(self, fwhm_px: float) -> None:
        self._fwhm_px = fwhm_px
        self._beam_px = math.pi * fwhm_px**2 / (4 * math.log(2))
        sep.set_extract_pixstack(_DEFAULT_STACK_PX)

    def find(self, pixels: NDArray[np.float32]) -> Measured:
        """Return the sources of an image, which is modified."""
        background = sep.Background(pixels, bw=CELL_PX, bh=CELL_PX, fw=3, fh=3)
        pixels -= background.back()
        rms = background.rms()
        found = _extract(pixels, rms)
        noise = rms[found["ypeak"], found["xpeak"]]
        found, noise = (
            found[found["peak"] >= DETECTION_SIGMA * noise],
            noise[found["peak"] >= DETECTION_SIGMA * noise],
        )
        sigma_px = self._fwhm_px / math.sqrt(8 * math.log(2))
        x, y, _ = sep.winpos(pixels, found["x"], found["y"], sigma_px)
        flux, flux_err, _ = sep.sum_circle(pixels, x, y, self._fwhm_px, err=rms)
        return Measured(
            x=x, y=y, x_err=np.sqrt(found["errx2"]), y_err=np.sqrt(found["erry2"]),
            peak=found["peak"].astype(float), peak_err=noise.astype(float),
            flux=flux / _INSIDE / self._beam_px, flux_err=flux_err / _INSIDE / self._beam_px,
        )  # fmt: skip


def _extract(pixels: NDArray[np.float32], rms: NDArray[np.float32]) -> Any:
    while True:
        try:
            return sep.extract(
                pixels, thresh=ANALYSIS_SIGMA, err=rms, minarea=3, filter_kernel=None
            )
        except Exception as error:
            if "pixel buffer full" not in str(error):
                raise
            sep.set_extract_pixstack(2 * sep.get_extract_pixstack())
