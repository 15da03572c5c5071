"""Was a position looked at, when, and how deep: from the stored rms grids."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from api.models.observations import LookItem
from sky.margin import is_searched
from sky.rms_grid import rms_at
from sky.wcs import SkyProjection

__all__ = ["to_looks"]


def to_looks(rows: Sequence[Mapping[str, Any]], ra: float, dec: float) -> list[LookItem]:
    """Return the images that cover a position, with their depth there.

    Parameters
    ----------
    rows : sequence of mappings
        Rows of ``list_looks``: images whose field may cover the position.
    ra, dec : float
        Position, ICRS [deg].
    """
    return [look for look in (_to_look(row, ra, dec) for row in rows) if look is not None]


def _to_look(row: Mapping[str, Any], ra: float, dec: float) -> LookItem | None:
    """Return the look of one image; None if the position is outside or blank."""
    shape = (row["height_px"], row["width_px"])
    x, y = SkyProjection.of(row["wcs_header"]).to_pixel(np.array([ra]), np.array([dec]))
    grid = np.asarray(row["rms_grid"], np.float64).reshape(-1, row["rms_grid_columns"])
    rms_jy_beam = float(rms_at(grid, shape, x, y)[0])
    if not math.isfinite(rms_jy_beam):
        return None
    fields = {name: value for name, value in row.items() if name in LookItem.model_fields}
    sigma = row["detection_threshold_sigma"]
    return LookItem(
        **fields,
        id=row["image_key"],
        rms_local_jy_beam=rms_jy_beam,
        limit_jy_beam=None if sigma is None else sigma * rms_jy_beam,
        is_searched=bool(is_searched(shape, x, y, row["margin_px"])[0]),
    )
