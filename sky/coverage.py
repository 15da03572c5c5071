"""The HEALPix cells of the sky that an image covers."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from astropy import units
from astropy_healpix import HEALPix

from sky.margin import searched_pixels
from sky.wcs import SkyProjection

__all__ = ["MAX_ORDER", "cell_order", "cells_around", "cells_of_field"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Cells of 3 arcsec.
MAX_ORDER = 16
_CELL_DEG = 58.63  # at order 0
# A field's radius is 8 to 16 cells: a few hundred cells an image of any size.
_CELLS_IN_RADIUS = 8
# Along each side of an image: at least two in the smallest cell.
_SAMPLES = 64


def cell_order(radius_deg: float) -> int:
    """Return the HEALPix order that describes a field of a radius [deg]."""
    order = np.ceil(np.log2(_CELL_DEG * _CELLS_IN_RADIUS / max(radius_deg, 1e-6)))
    return int(np.clip(order, 0, MAX_ORDER))


@lru_cache(maxsize=32)
def cells_of_field(
    wcs_header: str, shape: tuple[int, int], radius_deg: float, margin_px: int
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return the cells that an image covers and where; a repeated field comes from a cache.

    Parameters
    ----------
    wcs_header : str
        As of `sky.wcs`.
    shape : (int, int)
        Rows and columns [px].
    radius_deg : float
        Centre to farthest corner [deg].
    margin_px : int
        Border in which no sources are searched [px].

    Returns
    -------
    cells : (n,) int64
        4 * 4^order + nested pixel number: unique over all orders (NUNIQ). In ascending order.
    x, y : (n,) float64
        Centre of the covered part of each cell, 0-based [px].

    References
    ----------
    Gorski et al. (2005), ApJ 622, 759; Fernique et al. (2014), MOC, IVOA Recommendation (NUNIQ).
    """
    rows, columns = shape
    left, right = searched_pixels(columns, margin_px)
    bottom, top = searched_pixels(rows, margin_px)
    if left == right or bottom == top:
        return np.empty(0, np.int64), np.empty(0), np.empty(0)
    across, up = np.meshgrid(
        np.linspace(left, right - 1, _SAMPLES), np.linspace(bottom, top - 1, _SAMPLES)
    )
    x, y = across.ravel(), up.ravel()
    ra, dec = SkyProjection.of(wcs_header).to_sky(x, y)
    on_sky = np.isfinite(ra) & np.isfinite(dec)
    order = cell_order(radius_deg)
    pixels = _grid(order).lonlat_to_healpix(ra[on_sky] * units.deg, dec[on_sky] * units.deg)
    cells, number, count = np.unique(pixels, return_inverse=True, return_counts=True)
    return (
        cells.astype(np.int64) + _first_cell(order),
        np.bincount(number, x[on_sky], cells.size) / count,
        np.bincount(number, y[on_sky], cells.size) / count,
    )


def cells_around(ra: FloatArray, dec: FloatArray, orders: Sequence[int]) -> IntArray:
    """Return the cells of positions [deg] and their neighbours, each once, at some orders."""
    cells = [np.empty(0, np.int64)]
    for order in orders:
        grid = _grid(order)
        pixels = np.unique(grid.lonlat_to_healpix(ra * units.deg, dec * units.deg))
        with np.errstate(invalid="ignore"):
            both = np.concatenate([pixels, grid.neighbours(pixels).ravel()])
        # Eight pixels of the sphere have seven neighbours; the eighth is -1.
        cells.append(np.unique(both[both >= 0]).astype(np.int64) + _first_cell(order))
    return np.concatenate(cells)


def _first_cell(order: int) -> int:
    return 4 << (2 * order)


def _grid(order: int) -> HEALPix:
    return HEALPix(nside=2**order, order="nested")
