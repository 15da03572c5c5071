"""A square of pixels around a position of the sky."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sky.regions import Region
from sky.wcs import SkyProjection

__all__ = ["LEAST_SIDE_PX", "MAX_SIDE_PX", "Cutout", "cut", "cut_region"]

FloatImage = npt.NDArray[np.float32]
MAX_SIDE_PX = 1025
LEAST_SIDE_PX = 65
_LEAST_BEAMS = 10.0


@dataclass(frozen=True, slots=True)
class Cutout:
    """A rectangle of pixels.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Flux density [Jy/beam]; NaN where blank, and beyond the edge of the image.
    x_px, y_px : int
        Its first column and row in the image, from 0; negative beyond the edge [px].
    wcs_header : str
        FITS cards of the celestial coordinates of the image.
    """

    pixels: FloatImage
    x_px: int
    y_px: int
    wcs_header: str


def cut(
    pixels: FloatImage,
    wcs_header: str,
    ra: float,
    dec: float,
    *,
    size_arcmin: float | None = None,
    beam_major_deg: float | None,
    least_side_px: int = LEAST_SIDE_PX,
    max_side_px: int = MAX_SIDE_PX,
) -> Cutout:
    """Return the square of an image around a position.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; not modified.
    wcs_header : str
        FITS cards of its celestial coordinates.
    ra, dec : float
        Centre, ICRS [deg].
    size_arcmin : float or None
        Side [arcmin]; None: the least one, or 10 beams where these are more.
    beam_major_deg : float or None
        Major axis of the beam [deg].
    least_side_px, max_side_px : int
        Limits of the side: a larger size is refused, more than 10 beams are left out [px].

    Returns
    -------
    Cutout
        With an odd number of pixels a side: the position is in the central one.

    Raises
    ------
    ValueError
        If the position is outside of the image, or the square is too large.
    """
    projection = SkyProjection.of(wcs_header)
    x, y = (float(each[0]) for each in projection.to_pixel(np.array([ra]), np.array([dec])))
    rows, columns = pixels.shape
    if not (-0.5 <= x <= columns - 0.5 and -0.5 <= y <= rows - 0.5):
        raise ValueError("the position is outside of the image")
    scale_deg = projection.pixel_scale_deg((rows, columns))
    if not (math.isfinite(scale_deg) and scale_deg > 0):
        raise ValueError("the image has no pixel scale at its centre")
    if size_arcmin is None:
        side = max(least_side_px, _LEAST_BEAMS * (beam_major_deg or 0.0) / scale_deg)
        half = math.ceil((min(side, max_side_px) - 1) / 2)
    else:
        half = _half_side(scale_deg, size_arcmin, max_side_px)
    x_px, y_px = round(x) - half, round(y) - half
    side_px = 2 * half + 1
    square = np.full((side_px, side_px), np.nan, np.float32)
    inside_y = slice(max(0, y_px), min(rows, y_px + side_px))
    inside_x = slice(max(0, x_px), min(columns, x_px + side_px))
    square[
        inside_y.start - y_px : inside_y.stop - y_px, inside_x.start - x_px : inside_x.stop - x_px
    ] = pixels[inside_y, inside_x]
    return Cutout(square, x_px, y_px, wcs_header)


def cut_region(pixels: FloatImage, wcs_header: str, region: Region) -> Cutout | None:
    """Return the least rectangle of an image that holds what it has of a region.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; not modified.
    wcs_header : str
        FITS cards of its celestial coordinates.
    region : Region
        Circle, range or polygon of the sky.

    Returns
    -------
    Cutout or None
        A view of the pixels; None if the image has nothing of the region.
    """
    projection = SkyProjection.of(wcs_header)
    rows, columns = pixels.shape
    border_x, border_y = projection.to_pixel(*region.border())
    # What an image has of a region is bounded by the border of the one and of the other.
    edge_x, edge_y = _edge(rows, columns)
    with np.errstate(invalid="ignore"):
        is_inside = region.contains(*projection.to_sky(edge_x, edge_y))
        is_on_image = (abs(border_x - (columns - 1) / 2) <= columns / 2) & (
            abs(border_y - (rows - 1) / 2) <= rows / 2
        )
    x = np.concatenate([border_x[is_on_image], edge_x[is_inside]])
    y = np.concatenate([border_y[is_on_image], edge_y[is_inside]])
    if x.size == 0:
        return None
    left, bottom = max(0, round(float(x.min()))), max(0, round(float(y.min())))
    right = min(columns - 1, round(float(x.max())))
    top = min(rows - 1, round(float(y.max())))
    return Cutout(pixels[bottom : top + 1, left : right + 1], left, bottom, wcs_header)


def _edge(rows: int, columns: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the outermost pixels of an image, from 0 [px]."""
    across, up = np.arange(columns, dtype=np.float64), np.arange(rows, dtype=np.float64)
    x = np.concatenate([across, across, np.zeros(rows), np.full(rows, columns - 1.0)])
    y = np.concatenate([np.zeros(columns), np.full(columns, rows - 1.0), up, up])
    return x, y


def _half_side(scale_deg: float, size_arcmin: float, max_side_px: int) -> int:
    side = size_arcmin / 60 / scale_deg
    if side > max_side_px:
        raise ValueError(
            f"size_arcmin: {side:.0f} px of {scale_deg * 3600:.3g} arcsec a side; "
            f"at most {max_side_px} px"
        )
    return max(1, math.ceil((side - 1) / 2))
