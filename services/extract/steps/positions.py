"""A list of positions, from a CSV file."""

import csv
from pathlib import Path

import numpy as np

from runtime.errors import SettingsError
from services.extract.models import FloatArray

__all__ = ["read_positions"]


def read_positions(path: Path, *, name: str) -> tuple[FloatArray, FloatArray]:
    """Return right ascension and declination, ICRS [deg], of a CSV file.

    Parameters
    ----------
    path : Path
        Its first line names the columns; `ra` and `dec` are read, as in the lists that
        `livetrap extract` writes.
    name : str
        Option or setting that names it, for errors.

    Raises
    ------
    SettingsError
        If the file or one of its numbers cannot be read; the text names the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name} {path} cannot be read: {error}") from error
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    rows.fieldnames = [name.strip().lower() for name in rows.fieldnames or []]
    if not {"ra", "dec"} <= set(rows.fieldnames):
        raise SettingsError(
            f"{name} {path}: the first line must name the columns ra and dec [deg]"
        )
    positions = [
        _to_position(row["ra"], row["dec"], f"{name} {path}, line {rows.line_num}") for row in rows
    ]
    if not positions:
        raise SettingsError(f"{name} {path} holds no position")
    ra, dec = np.array(positions, dtype=np.float64).T
    return np.ascontiguousarray(ra), np.ascontiguousarray(dec)


def _to_position(ra: str, dec: str, place: str) -> tuple[float, float]:
    try:
        position = float(ra), float(dec)
    except (TypeError, ValueError):
        position = np.nan, np.nan
    if not (np.isfinite(position[0]) and -90 <= position[1] <= 90):
        raise SettingsError(f"{place}: {ra},{dec} is no position; give degrees")
    return position
