"""Fluxes at given positions as CSV, JSON or a table."""

import csv
import io
from collections.abc import Callable, Iterator

import numpy as np
import orjson

from livetrap.extraction.tables import FileSources
from services.extract.models import FloatArray

__all__ = ["FORCED_FORMATS"]

_NAMES = ("ra", "dec", "flux_peak_jy_beam", "flux_peak_err_jy_beam", "rms_local_jy_beam", "reason")
Positions = tuple[FloatArray, FloatArray]


def _rows(found: FileSources, positions: Positions) -> Iterator[list[object]]:
    """Yield the values of `_NAMES`; None where nothing was measured."""
    if found.forced is None:
        return
    columns = (
        *positions, found.forced.flux_peak_jy_beam, found.forced.flux_peak_err_jy_beam,
        found.forced.rms_local_jy_beam,
    )  # fmt: skip
    for *numbers, reason in zip(*columns, found.forced.reason, strict=True):
        yield [*(float(each) if np.isfinite(each) else None for each in numbers), reason]


def _to_csv(done: list[FileSources], positions: Positions) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["file", *_NAMES])
    for found in done:
        writer.writerows([found.name, *row] for row in _rows(found, positions))
    return buffer.getvalue()


def _to_json(done: list[FileSources], positions: Positions) -> str:
    images = [
        {
            "file": found.name,
            "time_start": found.image.time_start,
            "freq_eff_hz": found.image.freq_eff_hz,
            "positions": [dict(zip(_NAMES, row, strict=True)) for row in _rows(found, positions)],
        }
        for found in done
    ]
    return orjson.dumps(images, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z).decode() + "\n"


FORCED_FORMATS: dict[str, Callable[[list[FileSources], Positions], str]] = {
    "csv": _to_csv,
    "json": _to_json,
}
