"""Measure image files, several at a time, and write one source list."""

import multiprocessing
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from livetrap.extraction.measure import Refusal, Task, measure_file, open_detection_image
from livetrap.extraction.tables import FORMATS, FileSources
from livetrap.extraction.terminal import describe_image, to_table
from runtime.errors import PipelineError, RejectedMessageError, SettingsError

__all__ = ["extract_files"]


def extract_files(
    files: list[Path],
    task: Task,
    *,
    table_format: str | None,
    output: Path | None,
    n_workers: int = 1,
) -> int:
    """Measure the sources of images and write one list.

    Parameters
    ----------
    files : list of Path
        FITS images.
    task : Task
        What is done with each of them.
    table_format : str or None
        One of `FORMATS` or ``table``; None: a table on a terminal, else CSV.
    output : Path or None
        Where to write; None: standard output.
    n_workers : int
        Processes that measure files at the same time.

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
    _check_thresholds(task)
    if task.detection_image is not None:
        _check_detection_image(task.detection_image)
    writer, is_table = _writer(task, table_format, output)
    done: list[FileSources] = []
    refused: Counter[str] = Counter()
    with _progress(len(files)) as advance:
        for path, found in zip(files, _measure_all(files, task, n_workers), strict=True):
            if isinstance(found, Refusal):
                _print_error(f"{path}: {found.reason_code}: {found.text}")
                refused[found.reason_code] += 1
            else:
                done.append(found)
                _print_passed_over(found)
            advance()
    writer(done)
    _print_summary(done, refused, is_table=is_table)
    return 1 if refused else 0


def _check_thresholds(task: Task) -> None:
    detection = task.parameters.detection_threshold_sigma
    analysis = task.parameters.analysis_threshold_sigma
    if task.parameters.fdr_alpha is None and analysis > detection:
        raise SettingsError(
            f"the analysis threshold ({analysis}) must not exceed the detection threshold "
            f"({detection})"
        )


def _check_detection_image(path: Path) -> None:
    try:
        open_detection_image(path)
    except (OSError, RejectedMessageError) as error:
        raise SettingsError(f"the detection image {path} cannot be used: {error}") from error


def _measure_all(files: list[Path], task: Task, n_workers: int) -> Iterator[FileSources | Refusal]:
    """Yield the result of each file in their order."""
    if n_workers == 1 or len(files) == 1:
        yield from (measure_file(path, task) for path in files)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(n_workers, len(files)), mp_context=context) as pool:
        yield from pool.map(partial(measure_file, task=task), files)


def _writer(
    task: Task, table_format: str | None, output: Path | None
) -> tuple[Callable[[list[FileSources]], None], bool]:
    """Return what writes the list, and whether it is a table on the terminal.

    An output that cannot be written is refused at once.
    """
    if table_format is None:
        is_terminal = output is None and sys.stdout.isatty() and task.positions is None
        table_format = "table" if is_terminal else "csv"
    to_text = _formatter(task, table_format)
    if output is None:
        return lambda done: _write_stdout(to_text(done)), table_format == "table"
    if output.is_dir() or not os.access(output if output.exists() else output.parent, os.W_OK):
        raise SettingsError(
            f"--output {output} cannot be written: give a file in a folder of yours"
        )
    return lambda done: _write_file(output, to_text(done)), False


def _formatter(task: Task, table_format: str) -> Callable[[list[FileSources]], str]:
    positions = task.positions
    if positions is None:
        return to_table if table_format == "table" else FORMATS[table_format]
    from livetrap.extraction.forced_tables import FORCED_FORMATS  # noqa: PLC0415

    if table_format not in FORCED_FORMATS:
        raise SettingsError(
            f"--format {table_format} has no fluxes at positions: choose "
            f"{' or '.join(FORCED_FORMATS)}"
        )
    to_text = FORCED_FORMATS[table_format]
    return lambda done: to_text(done, positions)


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
        if not is_table and found.forced is None and not len(found.sources):
            console.print(describe_image(found), markup=False, soft_wrap=True)
    n_files = len(done) + refused.total()
    if n_files == 1:
        return
    n_sources = sum(len(found.sources) for found in done)
    words = f"{n_files} files: {len(done)} measured, {n_sources} sources"
    if refused:
        reasons = ", ".join(f"{n} {reason}" for reason, n in refused.most_common())
        words += f"; {refused.total()} refused: {reasons}"
    console.print(words, markup=False, soft_wrap=True)


def _print_passed_over(found: FileSources) -> None:
    """Say which other images of a file are not measured."""
    names = [each for each in found.image.warnings if each.startswith("passed_over ")]
    if names:
        words = ", ".join(each.removeprefix("passed_over ") for each in names)
        _print_error(f"{found.path}: passed over: {words}")


def _print_error(text: str) -> None:
    Console(stderr=True, highlight=False).print(text, style="red", markup=False, soft_wrap=True)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """Show a bar for several files on a terminal."""
    hidden = total < 2 or not sys.stderr.isatty()
    with Progress(console=Console(stderr=True), disable=hidden) as progress:
        task = progress.add_task("extracting", total=total)
        yield lambda: progress.advance(task)
