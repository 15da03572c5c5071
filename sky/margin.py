"""Which part of an image is searched for sources: all of it but a margin."""

import numpy as np
import numpy.typing as npt

__all__ = ["border_distance_px", "is_searched", "searched_pixels"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def searched_pixels(n_px: int, margin_px: int) -> tuple[int, int]:
    """Return the first searched pixel along an axis and the one after the last, 0-based [px].

    Parameters
    ----------
    n_px : int
        Length of the axis [px].
    margin_px : int
        Border in which no sources are searched [px].

    Returns
    -------
    (int, int)
        A half-open range; empty (both equal) where the margins meet.
    """
    return margin_px, max(margin_px, n_px - margin_px)


def border_distance_px(
    shape: tuple[int, int], x: npt.ArrayLike, y: npt.ArrayLike, margin_px: int
) -> FloatArray:
    """Return how far positions lie inside the nearest border of the searched part [px].

    A pixel reaches half a pixel to each side of its centre, so the border is half a pixel
    outside the centre of the outermost searched pixel.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the image [px].
    x, y : (n,) array_like
        Positions, 0-based: the centre of the first pixel is 0 [px].
    margin_px : int
        Border in which no sources are searched [px].

    Returns
    -------
    (n,) float64
        Distance [px]; negative outside, NaN for a position that is not on the image's sky.
    """
    rows, columns = shape
    distances = [
        distance
        for position, n_px in ((x, columns), (y, rows))
        for distance in _distances(np.asarray(position, np.float64), n_px, margin_px)
    ]
    return np.asarray(np.minimum.reduce(distances), np.float64)


def _distances(position: FloatArray, n_px: int, margin_px: int) -> tuple[FloatArray, FloatArray]:
    """Return the distances from the lower and from the upper border of an axis [px]."""
    first, end = searched_pixels(n_px, margin_px)
    return position - (first - 0.5), (end - 0.5) - position


def is_searched(
    shape: tuple[int, int], x: npt.ArrayLike, y: npt.ArrayLike, margin_px: int
) -> BoolArray:
    """Return whether positions lie inside the searched part of an image.

    Parameters are those of `border_distance_px`.

    Returns
    -------
    (n,) bool
        False on the border and for NaN.
    """
    return np.asarray(border_distance_px(shape, x, y, margin_px) > 0, np.bool_)
