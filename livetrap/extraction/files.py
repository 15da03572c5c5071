"""Measure image files one after the other and write one source list."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from livetrap.extraction.tables import FORMATS, FileSources
from runtime.errors import RejectedMessageError, SettingsError
from services.extract.models import FinderParameters, Image
from services.extract.steps.catalogue import extract_sources, to_shapes
from services.extract.steps.image import open_image

__all__ = ["extract_files"]


def extract_files(
    files: list[Path],
    parameters: FinderParameters,
    *,
    table_format: str,
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
    table_format : str
        One of `FORMATS`.
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
        0, or 1 if a file could not be measured; the sources of the others are written.

    Raises
    ------
    SettingsError
        If the analysis threshold exceeds the detection threshold.
    """
    detection = parameters.detection_threshold_sigma
    if parameters.fdr_alpha is None and parameters.analysis_threshold_sigma > detection:
        raise SettingsError(
            f"the analysis threshold ({parameters.analysis_threshold_sigma}) must not exceed "
            f"the detection threshold ({detection})"
        )
    detection_in = None if detection_image is None else _open_detection_image(detection_image)
    done: list[FileSources] = []
    with _progress(len(files)) as advance:
        for path in files:
            found = _extract_file(path, parameters, detection_in, maps, negative=negative)
            if found is not None:
                done.append(found)
            advance()
    text = FORMATS[table_format](done)
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, encoding="utf-8")
    return 0 if len(done) == len(files) else 1


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
) -> FileSources | None:
    """Measure one file; print the reason and return None if that fails."""
    try:
        image = open_image(path.read_bytes(), {})
        if negative:
            image = replace(image, pixels=-image.pixels)
        extraction = extract_sources(image, parameters, detection_image)
    except OSError as error:
        _print_error(f"{path}: cannot be read: {error.strerror}")
        return None
    except RejectedMessageError as error:
        _print_error(f"{path}: {error.reason_code}: {error}")
        return None
    if maps is not None:
        from livetrap.extraction.maps import write_maps  # noqa: PLC0415  (only --maps needs it)

        write_maps(path, image, extraction, parameters.analysis_threshold_sigma, maps)
    return FileSources(path, image, extraction, to_shapes(image, extraction.found))


def _print_error(text: str) -> None:
    Console(stderr=True, highlight=False).print(text, style="red", markup=False, soft_wrap=True)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """Show a bar for several files on a terminal."""
    hidden = total < 2 or not sys.stderr.isatty()
    with Progress(console=Console(stderr=True), disable=hidden) as progress:
        task = progress.add_task("extracting", total=total)
        yield lambda: progress.advance(task)
