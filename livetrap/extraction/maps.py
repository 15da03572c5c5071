"""Intermediate maps of the source finder, as FITS images."""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
from astropy.io import fits
from scipy import ndimage

from services.extract.models import Extraction, Image
from sky.rms_grid import rms_at

__all__ = ["write_maps"]

_LN2 = math.log(2.0)
_EIGHT_NEIGHBOURS = np.ones((3, 3), np.int8)


def write_maps(
    path: Path, image: Image, extraction: Extraction, analysis_threshold: float, folder: Path
) -> None:
    """Write maps of background, rms, significance, islands and residual, with the WCS.

    Parameters
    ----------
    path : Path
        File of the image: the names of the maps begin with its stem.
    image : Image
        The image.
    extraction : Extraction
        Its background, noise and sources.
    analysis_threshold : float
        Threshold of the islands [local rms].
    folder : Path
        Folder of the maps; created if it is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows, columns = image.pixels.shape
    y, x = np.mgrid[0:rows, 0:columns]
    background = rms_at(extraction.background_grid, (rows, columns), x, y).astype(np.float32)
    rms = rms_at(extraction.rms_grid, (rows, columns), x, y).astype(np.float32)
    significance = (image.pixels - background) / rms
    maps = {
        "background": background,
        "rms": rms,
        "significance": significance,
        "islands": _islands(significance, extraction, analysis_threshold),
        "residual": image.pixels - background - _model(image.pixels.shape, extraction),
    }
    header = fits.Header.fromstring(image.wcs_header, sep="\n")
    for name, pixels in maps.items():
        target = folder / f"{path.stem}.{name}.fits"
        fits.PrimaryHDU(pixels, header).writeto(target, overwrite=True)


def _islands(
    significance: npt.NDArray[np.float32], extraction: Extraction, analysis_threshold: float
) -> npt.NDArray[np.int32]:
    """Return 1 + the index of the first source of each island, 0 elsewhere.

    Islands without a source are 0.
    """
    labels, n_labels = ndimage.label(significance > analysis_threshold, _EIGHT_NEIGHBOURS)
    number = np.zeros(n_labels + 1, np.int32)
    rows, columns = significance.shape
    found = extraction.found
    for source in range(found.x.size - 1, -1, -1):
        y = min(max(round(float(found.y[source])), 0), rows - 1)
        x = min(max(round(float(found.x[source])), 0), columns - 1)
        number[labels[y, x]] = source + 1
    number[0] = 0
    return np.asarray(number[labels], dtype=np.int32)


def _model(shape: tuple[int, ...], extraction: Extraction) -> npt.NDArray[np.float32]:
    """Return the sum of all fitted Gaussians."""
    found = extraction.found
    model = np.zeros(shape, np.float32)
    for amplitude, x0, y0, major, minor, angle in zip(
        found.amplitude, found.x, found.y, found.major_px, found.minor_px, found.angle_rad,
        strict=True,
    ):  # fmt: skip
        # Beyond 3 FWHM a Gaussian is below 1e-10 of its peak.
        reach = math.ceil(3 * major)
        rows = slice(max(0, round(y0) - reach), round(y0) + reach + 1)
        columns = slice(max(0, round(x0) - reach), round(x0) + reach + 1)
        dy, dx = np.ogrid[rows, columns]
        part = model[rows, columns]
        dy, dx = dy[: part.shape[0]] - y0, dx[:, : part.shape[1]] - x0
        along = dx * math.cos(angle) + dy * math.sin(angle)
        across = dy * math.cos(angle) - dx * math.sin(angle)
        part += amplitude * np.exp(-4 * _LN2 * ((along / major) ** 2 + (across / minor) ** 2))
    return model
