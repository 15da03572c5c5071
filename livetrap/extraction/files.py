"""Measure image files one after the other and write one source list."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from livetrap.extraction.tables import FORMATS, FileSources
from livetrap.extraction.terminal import describe_image, to_table
from runtime.errors import PipelineError, RejectedMessageError, SettingsError
from services.extract.models import FinderParameters, Image
from services.extract.steps.catalogue import extract_sources, to_shapes
from services.extract.steps.image import open_image

__all__ = ["extract_files"]


def extract_files(
    files: list[Path],
    parameters: FinderParameters,
    *,
    table_format: str | None,
    output: Path | None,
    maps: Path | None,
    negative: bool,
    detection_image: Path | None,
) -> int:
    """Measure the sources of images and write one list.

    Parameters
    ----------
    files : list of Path
        FITS images.
    parameters : FinderParameters
        Settings of the finder.
    table_format : str or None
        One of `FORMATS` or ``table``; None: a table on a terminal, else CSV.
    output : Path or None
        Where to write; None: standard output.
    maps : Path or None
        Folder for background, rms, significance, island and residual maps.
    negative : bool
        Whether to negate the images first: all detections are then noise.
    detection_image : Path or None
        FITS image in which the sources are detected that are then measured in `files`.

    Returns
    -------
    int
        0, or 1 if a file could not be measured; the sources of the others are written, and a
        summary on standard error ends it.

    Raises
    ------
    SettingsError
        If the analysis threshold exceeds the detection threshold, or the output cannot be
        written.
    """
    detection = parameters.detection_threshold_sigma
    if parameters.fdr_alpha is None and parameters.analysis_threshold_sigma > detection:
        raise SettingsError(
            f"the analysis threshold ({parameters.analysis_threshold_sigma}) must not exceed "
            f"the detection threshold ({detection})"
        )
    detection_in = None if detection_image is None else _open_detection_image(detection_image)
    writer = _writer(table_format, output)
    done: list[FileSources] = []
    refused: Counter[str] = Counter()
    with _progress(len(files)) as advance:
        for path in files:
            found = _extract_file(path, parameters, detection_in, maps, negative=negative)
            if isinstance(found, FileSources):
                done.append(found)
            else:
                refused[found] += 1
            advance()
    writer(done)
    _print_summary(done, refused, is_table=writer is _print_table)
    return 1 if refused else 0


def _writer(table_format: str | None, output: Path | None) -> Callable[[list[FileSources]], None]:
    """Return what writes the list; an output that cannot be written is refused at once."""
    if table_format is None:
        table_format = "table" if output is None and sys.stdout.isatty() else "csv"
    if table_format == "table" and output is None:
        return _print_table
    to_text = to_table if table_format == "table" else FORMATS[table_format]
    if output is None:
        return lambda done: _write_stdout(to_text(done))
    if output.is_dir() or not os.access(output if output.exists() else output.parent, os.W_OK):
        raise SettingsError(
            f"--output {output} cannot be written: give a file in a folder of yours"
        )
    return lambda done: _write_file(output, to_text(done))


def _print_table(done: list[FileSources]) -> None:
    _write_stdout(to_table(done))


def _write_stdout(text: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()


def _write_file(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PipelineError(f"cannot write {path}: {error.strerror}") from error


def _print_summary(done: list[FileSources], refused: Counter[str], *, is_table: bool) -> None:
    """Say on standard error where nothing was found, and count files, sources and refusals."""
    console = Console(stderr=True, highlight=False)
    for found in done:
        if not is_table and not len(found.extraction.sources):
            console.print(describe_image(found), markup=False, soft_wrap=True)
    n_files = len(done) + refused.total()
    if n_files == 1:
        return
    n_sources = sum(len(found.extraction.sources) for found in done)
    words = f"{n_files} files: {len(done)} measured, {n_sources} sources"
    if refused:
        reasons = ", ".join(f"{n} {reason}" for reason, n in refused.most_common())
        words += f"; {refused.total()} refused: {reasons}"
    console.print(words, markup=False, soft_wrap=True)


def _open_detection_image(path: Path) -> Image:
    try:
        return open_image(path.read_bytes(), {})
    except (OSError, RejectedMessageError) as error:
        raise SettingsError(f"the detection image {path} cannot be used: {error}") from error


def _extract_file(
    path: Path,
    parameters: FinderParameters,
    detection_image: Image | None,
    maps: Path | None,
    *,
    negative: bool,
) -> FileSources | str:
    """Measure one file; if that fails, print why and return the code of the reason."""
    try:
        image = open_image(path.read_bytes(), {})
        if negative:
            image = replace(image, pixels=-image.pixels)
        extraction = extract_sources(image, parameters, detection_image)
        if maps is not None:
            from livetrap.extraction.maps import write_maps  # noqa: PLC0415  (of --maps alone)

            write_maps(path, image, extraction, parameters.analysis_threshold_sigma, maps)
        return FileSources(path, image, extraction, to_shapes(image, extraction.found))
    except OSError as error:
        return _refuse(path, "io_error", f"{error.strerror or error}: {error.filename or path}")
    except RejectedMessageError as error:
        return _refuse(path, error.reason_code, str(error))
    except Exception as error:  # noqa: BLE001  (a defect that one file meets stops no other file)
        return _refuse(path, "internal_error", repr(error))


def _refuse(path: Path, reason_code: str, text: str) -> str:
    """Print why a file is not measured; return the code."""
    _print_error(f"{path}: {reason_code}: {text}")
    return reason_code


def _print_error(text: str) -> None:
    Console(stderr=True, highlight=False).print(text, style="red", markup=False, soft_wrap=True)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """Show a bar for several files on a terminal."""
    hidden = total < 2 or not sys.stderr.isatty()
    with Progress(console=Console(stderr=True), disable=hidden) as progress:
        task = progress.add_task("extracting", total=total)
        yield lambda: progress.advance(task)
