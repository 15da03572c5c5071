"""Source lists as CSV, JSON, VOTable and regions for DS9 and CARTA."""

import csv
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path

import orjson

from livetrap.extraction.number_texts import to_texts
from schemas.messages import SourceColumns
from services.extract.models import Shapes
from services.extract.steps.forced import ForcedFluxes

__all__ = ["FORMATS", "FileSources", "ImageSummary"]

_UNITS = {
    "ra": "deg", "dec": "deg", "ra_err_deg": "deg", "dec_err_deg": "deg",
    "flux_peak_jy_beam": "Jy/beam", "flux_peak_err_jy_beam": "Jy/beam",
    "flux_int_jy": "Jy", "flux_int_err_jy": "Jy", "rms_local_jy_beam": "Jy/beam",
    "major_arcsec": "arcsec", "minor_arcsec": "arcsec", "pa_deg": "deg",
    "x_px": "pix", "y_px": "pix",
    "major_err_arcsec": "arcsec", "minor_err_arcsec": "arcsec", "pa_err_deg": "deg",
    "major_dc_arcsec": "arcsec", "minor_dc_arcsec": "arcsec", "pa_dc_deg": "deg",
    "major_dc_err_arcsec": "arcsec", "minor_dc_err_arcsec": "arcsec", "pa_dc_err_deg": "deg",
}  # fmt: skip
_UCDS = {
    "ra": "pos.eq.ra;meta.main", "dec": "pos.eq.dec;meta.main",
    "ra_err_deg": "stat.error;pos.eq.ra", "dec_err_deg": "stat.error;pos.eq.dec",
    "flux_peak_jy_beam": "phot.flux.density;em.radio;stat.max",
    "flux_int_jy": "phot.flux.density;em.radio", "snr": "stat.snr",
    "quality_flags": "meta.code.qual", "chi2_reduced": "stat.fit.chi2",
    "p_false": "stat.probability",
}  # fmt: skip
_NAMES = [column.name for kind in (SourceColumns, Shapes) for column in fields(kind)]


@dataclass(frozen=True, slots=True)
class ImageSummary:
    """What lists tell of an image; None where its header does not say it."""

    time_start: datetime | None
    freq_eff_hz: float | None
    rms_jy_beam: float
    detection_threshold_sigma: float
    n_px: int
    n_blank_px: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileSources:
    """The sources of one file, or the fluxes at the positions that were given, without pixels."""

    path: Path
    image: ImageSummary
    sources: SourceColumns
    shapes: Shapes
    forced: ForcedFluxes | None = None

    @property
    def name(self) -> str:
        """The file's name as UTF-8, whatever its bytes are."""
        return os.fsencode(self.path).decode("utf-8", "backslashreplace")


def _rows(found: FileSources) -> Iterator[list[object]]:
    """Yield the path and the values of `_NAMES` of every source."""
    columns = [
        getattr(part, column.name).tolist()
        for part in (found.sources, found.shapes)
        for column in fields(part)
    ]
    for values in zip(*columns, strict=True):
        yield [found.name, *values]


def _to_csv(done: list[FileSources]) -> str:
    lines = [",".join(["file", *_NAMES])]
    for found in done:
        name = _quoted(found.name)
        columns = [
            to_texts(getattr(part, column.name))
            for part in (found.sources, found.shapes)
            for column in fields(part)
        ]
        lines += [f"{name},{','.join(values)}" for values in zip(*columns, strict=True)]
    return "\n".join([*lines, ""])


def _quoted(text: str) -> str:
    """Return a text as a field of CSV: in quotes where it needs them."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow([text])
    return buffer.getvalue().removesuffix("\n")


def _to_json(done: list[FileSources]) -> str:
    images = [
        {
            "file": found.name,
            "time_start": found.image.time_start,
            "freq_eff_hz": found.image.freq_eff_hz,
            "rms_jy_beam": found.image.rms_jy_beam,
            "n_blank_px": found.image.n_blank_px,
            "detection_threshold_sigma": found.image.detection_threshold_sigma,
            "sources": [dict(zip(_NAMES, row[1:], strict=True)) for row in _rows(found)],
        }
        for found in done
    ]
    return orjson.dumps(images, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z).decode() + "\n"


def _to_votable(done: list[FileSources]) -> str:
    from astropy.io.votable import from_table, writeto  # noqa: PLC0415  (slow to import)
    from astropy.table import Table  # noqa: PLC0415

    names = ["file", *_NAMES]
    rows = [row for found in done for row in _rows(found)]
    kinds = ["U256", *("i8" if name == "quality_flags" else "f8" for name in _NAMES)]
    table = Table(rows=rows or None, names=names, dtype=kinds)
    for name, unit in _UNITS.items():
        table[name].unit = unit
    votable = from_table(table)
    for field in votable.get_first_table().fields:
        field.ucd = _UCDS.get(field.name)
    buffer = io.BytesIO()
    writeto(votable, buffer)
    return buffer.getvalue().decode()


def _to_ds9(done: list[FileSources]) -> str:
    lines = ["# Region file format: DS9", "global color=green", "icrs"]
    for found in done:
        sources = found.sources
        for ra, dec, major, minor, pa, snr in zip(
            sources.ra, sources.dec, sources.major_arcsec, sources.minor_arcsec,
            sources.pa_deg, sources.snr, strict=True,
        ):  # fmt: skip
            # DS9 measures the angle of an ellipse from west to north; its radii are semi-axes.
            lines.append(
                f'ellipse({ra:.7f},{dec:.7f},{major / 2:.3f}",{minor / 2:.3f}",{pa + 90:.2f})'
                f" # text={{{snr:.1f}}}"
            )
    return "\n".join(lines) + "\n"


FORMATS: dict[str, Callable[[list[FileSources]], str]] = {
    "csv": _to_csv,
    "json": _to_json,
    "votable": _to_votable,
    "ds9": _to_ds9,
}
