"""Background and noise that somebody else has measured, as FITS images of the same size."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from schemas.reasons import ImageReason
from services.extract.errors import RejectedImageError
from services.extract.models import FinderParameters, FloatArray, Image
from services.extract.steps.background import measure_background
from services.extract.steps.ellipses import to_beam_shape
from sky.fits_containers import open_fits
from sky.fits_pixels import decode_pixels
from sky.rms_grid import rms_at

__all__ = ["use_maps"]

_MOST_BYTES = 1 << 32


def use_maps(
    image: Image,
    parameters: FinderParameters,
    *,
    background_map: Path | None,
    rms_map: Path | None,
) -> tuple[Image, tuple[FloatArray, FloatArray] | None]:
    """Return the image, blank where a map is, and the grids of background and rms.

    Parameters
    ----------
    image : Image
        The image.
    parameters : FinderParameters
        The cells in which the other of the two is measured.
    background_map, rms_map : Path or None
        FITS images in the unit of the pixels; None: measured in the image.

    Returns
    -------
    Image
        With NaN where a map is blank, or the rms is not positive.
    tuple of two (ny, nx) float64, or None
        Background and rms of every pixel [Jy/beam]; None without maps.

    Raises
    ------
    RejectedImageError
        Code ``shape_mismatch`` if a map has another size, ``no_noise`` if it is blank everywhere.
    """
    if background_map is None and rms_map is None:
        return image, None
    background = None if background_map is None else _read_map(background_map)
    rms = None if rms_map is None else _read_map(rms_map)
    is_valid = np.ones(image.pixels.shape, np.bool_)
    for path, each in ((background_map, background), (rms_map, rms)):
        if each is None:
            continue
        if each.shape != image.pixels.shape:
            raise RejectedImageError(
                ImageReason.SHAPE_MISMATCH,
                f"{path} has {each.shape} pixels, the image {image.pixels.shape}; both must have "
                "the same pixels",
            )
        is_valid &= np.isfinite(each) & ((each > 0) | (each is not rms))
    if not is_valid.any():
        raise RejectedImageError(ImageReason.NO_NOISE, "the maps leave no pixel of the image")
    pixels = np.where(is_valid, image.pixels, np.float32(np.nan))
    measured = measure_background(
        pixels,
        parameters.background_cell_px,
        parameters.median_filter_cells,
        beam_px=to_beam_shape(image).mean_px,
    )
    grids = [
        _filled(each, is_valid) if each is not None else _expanded(grid, image.pixels.shape)
        for each, grid in zip((background, rms), measured, strict=True)
    ]
    return replace(image, pixels=pixels), (grids[0], grids[1])


@lru_cache(maxsize=2)
def _read_map(path: Path) -> FloatArray:
    data, fits = open_fits(path.read_bytes(), {}, max_bytes=_MOST_BYTES)
    return decode_pixels(data, fits).astype(np.float64)


def _filled(values: FloatArray, is_valid: np.ndarray) -> FloatArray:
    return np.where(is_valid, values, np.median(values[is_valid]))


def _expanded(grid: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Return a grid of cells at every pixel."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.ascontiguousarray(rms_at(grid, (shape[0], shape[1]), x, y))
