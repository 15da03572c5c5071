"""Stamps that are listed, and cutouts of stamps."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from sky.cutout import Cutout, cut, cut_region
from sky.regions import Region
from sky.stamps import read_stamp
from sky.wcs import SkyProjection

__all__ = [
    "ROLES",
    "CutoutSize",
    "cut_first",
    "cut_first_region",
    "parts_of",
    "to_items",
]

ROLES = ("now", "before", "difference", "deepest")
_DIFFERENCE = "-difference"


@dataclass(frozen=True, slots=True)
class CutoutSize:
    """How large a cutout is: its side [arcmin]; None: ten beams of this major axis [deg]."""

    arcmin: float | None
    beam_major_deg: float | None


def cut_first(files: Sequence[bytes], ra: float, dec: float, size: CutoutSize) -> Cutout | None:
    """Return the square around a position [deg] of the first stamp that shows it.

    Parameters
    ----------
    files : sequence of bytes
        Stored stamps.
    ra, dec : float
        Centre, ICRS [deg].
    size : CutoutSize
        Of the square; what is beyond the stamp is blank.

    Raises
    ------
    HeaderError
        If a file is damaged.
    """
    for data in files:
        stamp = read_stamp(data)
        with suppress(ValueError):
            return cut(
                stamp.pixels,
                stamp.wcs_header,
                ra,
                dec,
                size_arcmin=size.arcmin,
                beam_major_deg=size.beam_major_deg,
            )
    return None


def cut_first_region(files: Sequence[bytes], region: Region) -> Cutout | None:
    """Return the least rectangle around a region of the first stamp that shows all of it.

    Parameters
    ----------
    files : sequence of bytes
        Stored stamps of one image.
    region : Region
        Region of the sky.

    Returns
    -------
    Cutout or None
        None if no stamp shows all of it.

    Raises
    ------
    HeaderError
        If a file is damaged.
    """
    for data in files:
        stamp = read_stamp(data)
        rows, columns = stamp.pixels.shape
        x, y = SkyProjection.of(stamp.wcs_header).to_pixel(*region.border())
        with np.errstate(invalid="ignore"):
            inside = (abs(x - (columns - 1) / 2) <= columns / 2) & (
                abs(y - (rows - 1) / 2) <= rows / 2
            )
        if inside.all():
            return cut_region(stamp.pixels, stamp.wcs_header, region)
    return None


def parts_of(stamp_id: str) -> tuple[str, ...]:
    """Return the stamps that a stamp is made of: itself, or what is subtracted."""
    if not stamp_id.endswith(_DIFFERENCE):
        return (stamp_id,)
    trig_id = stamp_id.removesuffix(_DIFFERENCE)
    return f"{trig_id}-now", f"{trig_id}-before"


def to_items(rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Give the fields of `StampItem` for rows and the differences of two of them, in order."""
    by_trig: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows:
        by_trig.setdefault(row["trig_id"], {})[row["role"]] = dict(row)
    for trig_id, roles in by_trig.items():
        if all(role in roles and roles[role]["state"] == "stored" for role in ("now", "before")):
            roles["difference"] = roles["now"] | {
                "id": trig_id + _DIFFERENCE,
                "role": "difference",
                "sha256": None,
                "n_bytes": None,
            }
        for role in sorted(roles, key=ROLES.index):
            item = roles[role]
            is_stored = item["state"] == "stored"
            path = f"/api/v1/stamps/{item['id']}?format="
            yield item | {form: path + form if is_stored else None for form in ("fits", "png")}
