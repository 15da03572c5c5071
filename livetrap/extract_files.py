"""The one-shot source finder: files in, a source list out, no service needed."""

import csv
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import orjson
from rich.console import Console
from rich.progress import Progress

from runtime.errors import RejectedMessageError, SettingsError
from schemas.messages import SourceColumns
from services.extract.models import FinderParameters, Image
from services.extract.steps.catalogue import extract_sources
from services.extract.steps.finder import measure_background
from services.extract.steps.image import open_image
from sky.rms_grid import rms_at

__all__ = ["FORMATS", "extract_files"]

_UNITS = {
    "ra": "deg", "dec": "deg", "ra_err_deg": "deg", "dec_err_deg": "deg",
    "flux_peak_jy_beam": "Jy/beam", "flux_peak_err_jy_beam": "Jy/beam",
    "flux_int_jy": "Jy", "flux_int_err_jy": "Jy", "rms_local_jy_beam": "Jy/beam",
    "major_arcsec": "arcsec", "minor_arcsec": "arcsec", "pa_deg": "deg",
}  # fmt: skip
_UCDS = {
    "ra": "pos.eq.ra;meta.main", "dec": "pos.eq.dec;meta.main",
    "ra_err_deg": "stat.error;pos.eq.ra", "dec_err_deg": "stat.error;pos.eq.dec",
    "flux_peak_jy_beam": "phot.flux.density;em.radio;stat.max",
    "flux_int_jy": "phot.flux.density;em.radio", "snr": "stat.snr",
    "quality_flags": "meta.code.qual",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _FileSources:
    path: Path
    image: Image
    sources: SourceColumns


def extract_files(
    files: list[Path],
    *,
    detection_threshold: float,
    analysis_threshold: float,
    table_format: str,
    output: Path | None,
    maps: Path | None,
) -> int:
    """Find the sources of images and write one list.

    Parameters
    ----------
    files : list of Path
        FITS images.
    detection_threshold, analysis_threshold : float
        Of a peak and of the pixels of its island [local rms].
    table_format : str
        One of `FORMATS`.
    output : Path or None
        Where to write; None: standard output.
    maps : Path or None
        Folder for background, rms and significance maps.

    Returns
    -------
    int
        0, or 1 if a file could not be measured; the others are in the list all the same.

    Raises
    ------
    SettingsError
        If the thresholds do not fit together.
    """
    if analysis_threshold > detection_threshold:
        raise SettingsError(
            f"the analysis threshold ({analysis_threshold}) must not exceed "
            f"the detection threshold ({detection_threshold})"
        )
    parameters = FinderParameters(
        detection_threshold_sigma=detection_threshold,
        analysis_threshold_sigma=analysis_threshold,
    )
    done: list[_FileSources] = []
    with _progress(len(files)) as advance:
        for path in files:
            found = _extract_file(path, parameters, maps)
            if found is not None:
                done.append(found)
            advance()
    text = FORMATS[table_format](done)
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, encoding="utf-8")
    return 0 if len(done) == len(files) else 1


def _extract_file(
    path: Path, parameters: FinderParameters, maps: Path | None
) -> _FileSources | None:
    """Measure one file, or say why not."""
    try:
        image = open_image(path.read_bytes(), {})
        sources, _ = extract_sources(image, parameters)
    except OSError as error:
        _complain(f"{path}: cannot read it: {error.strerror}")
        return None
    except RejectedMessageError as error:
        _complain(f"{path}: {error.reason_code}: {error}")
        return None
    if maps is not None:
        _write_maps(path, image, parameters, maps)
    return _FileSources(path, image, sources)


def _complain(text: str) -> None:
    Console(stderr=True, highlight=False).print(text, style="red", markup=False, soft_wrap=True)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """Show a bar for several files on a terminal."""
    hidden = total < 2 or not sys.stderr.isatty()
    with Progress(console=Console(stderr=True), disable=hidden) as progress:
        task = progress.add_task("extracting", total=total)
        yield lambda: progress.advance(task)


def _write_maps(path: Path, image: Image, parameters: FinderParameters, folder: Path) -> None:
    """Write what the finder saw as FITS images with the input's sky coordinates."""
    from astropy.io import fits  # noqa: PLC0415  (only --maps needs it)

    folder.mkdir(parents=True, exist_ok=True)
    mean, rms = measure_background(image.pixels, parameters.background_cell_px)
    rows, columns = image.pixels.shape
    y, x = np.mgrid[0:rows, 0:columns]
    background_map = rms_at(mean, (rows, columns), x, y).astype(np.float32)
    rms_map = rms_at(rms, (rows, columns), x, y).astype(np.float32)
    header = fits.Header.fromstring(image.wcs_header, sep="\n")
    for name, pixels in (
        ("background", background_map),
        ("rms", rms_map),
        ("significance", (image.pixels - background_map) / rms_map),
    ):
        target = folder / f"{path.stem}.{name}.fits"
        fits.PrimaryHDU(pixels, header).writeto(target, overwrite=True)


def _column_names() -> list[str]:
    return [column.name for column in fields(SourceColumns)]


def _rows(found: _FileSources) -> Iterator[list[object]]:
    columns = [getattr(found.sources, name).tolist() for name in _column_names()]
    for values in zip(*columns, strict=True):
        yield [str(found.path), *values]


def _to_csv(done: list[_FileSources]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["file", *_column_names()])
    for found in done:
        writer.writerows(_rows(found))
    return buffer.getvalue()


def _to_json(done: list[_FileSources]) -> str:
    names = _column_names()
    images = [
        {
            "file": str(found.path),
            "time_start": found.image.metadata.time_start,
            "freq_eff_hz": found.image.metadata.freq_eff_hz,
            "sources": [dict(zip(names, row[1:], strict=True)) for row in _rows(found)],
        }
        for found in done
    ]
    return orjson.dumps(images, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z).decode() + "\n"


def _to_votable(done: list[_FileSources]) -> str:
    from astropy.io.votable import from_table, writeto  # noqa: PLC0415  (slow to import)
    from astropy.table import Table  # noqa: PLC0415

    names = ["file", *_column_names()]
    rows = [row for found in done for row in _rows(found)]
    kinds = ["U256", *["f8"] * (len(names) - 2), "i8"]
    table = Table(rows=rows or None, names=names, dtype=kinds)
    for name, unit in _UNITS.items():
        table[name].unit = unit
    votable = from_table(table)
    for field in votable.get_first_table().fields:
        field.ucd = _UCDS.get(field.name)
    buffer = io.BytesIO()
    writeto(votable, buffer)
    return buffer.getvalue().decode()


def _to_ds9(done: list[_FileSources]) -> str:
    lines = ["# Region file format: DS9", "global color=green", "icrs"]
    for found in done:
        names = ["file", *_column_names()]
        for row in _rows(found):
            source = dict(zip(names, row, strict=True))
            # DS9 counts the angle of an ellipse from west to north; its radii are semi-axes.
            lines.append(
                f"ellipse({source['ra']:.7f},{source['dec']:.7f},"
                f'{float(str(source["major_arcsec"])) / 2:.3f}",'
                f'{float(str(source["minor_arcsec"])) / 2:.3f}",'
                f"{float(str(source['pa_deg'])) + 90:.2f}) # text={{{source['snr']:.1f}}}"
            )
    return "\n".join(lines) + "\n"


FORMATS: dict[str, Callable[[list[_FileSources]], str]] = {
    "csv": _to_csv,
    "json": _to_json,
    "votable": _to_votable,
    "ds9": _to_ds9,
}
