"""Measure one image file: what a worker of `livetrap extract` does."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from livetrap.extraction.external_maps import use_maps
from livetrap.extraction.tables import FileSources, ImageSummary
from runtime.errors import RejectedMessageError
from runtime.memory import reuse_large_blocks
from schemas.reasons import ImageReason
from services.extract.errors import RejectedImageError, SeveralPlanesError
from services.extract.kernels.scan import count_blank
from services.extract.models import FinderParameters, FloatArray, Image
from services.extract.steps.beam_map import BeamMap, read_beam_map, with_beam_map
from services.extract.steps.catalogue import extract_sources, to_shapes
from services.extract.steps.forced import measure_positions
from services.extract.steps.image import open_image
from sky.fits_containers import split_file

__all__ = ["Refusal", "Task", "measure_file", "open_detection_image"]

# What a list of sources can do without, and a card that stands for it.
_OPTIONAL = {
    ImageReason.NO_DATE: ("time_start", {"DATE-OBS": "2000-01-01T00:00:00"}),
    ImageReason.BAD_DATE: ("time_start", {"DATE-OBS": "2000-01-01T00:00:00"}),
    ImageReason.NO_FREQUENCY: ("freq_eff_hz", {"RESTFRQ": "1e9"}),
}


@dataclass(frozen=True, slots=True)
class Task:
    """What is done with each file.

    `cards` are added to the header or override it, `plane` is that of a cube (from 1), `maps` a
    folder for maps. `positions` are right ascensions and declinations, ICRS [deg], that are
    measured instead of sources. `psf_map` is a map of beams, `bright_positions` are like
    `positions`: of bright sources that may be outside the image.
    """

    parameters: FinderParameters
    cards: Mapping[str, str] = field(default_factory=dict)
    plane: int | None = None
    maps: Path | None = None
    negative: bool = False
    detection_image: Path | None = None
    background_map: Path | None = None
    rms_map: Path | None = None
    positions: tuple[FloatArray, FloatArray] | None = None
    psf_map: Path | None = None
    bright_positions: tuple[FloatArray, FloatArray] | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a file was not measured."""

    reason_code: str
    text: str


def measure_file(path: Path, task: Task) -> FileSources | Refusal:
    """Return the sources of a file, or why there are none."""
    _prepare_process()
    try:
        return _measure(path, task)
    except OSError as error:
        return Refusal("io_error", f"{error.strerror or error}: {error.filename or path}")
    except RejectedMessageError as error:
        return Refusal(error.reason_code, str(error))
    except Exception as error:  # noqa: BLE001  (a defect that one file meets stops no other file)
        return Refusal("internal_error", repr(error))


@lru_cache(maxsize=1)
def _prepare_process() -> None:
    """Keep the memory of a file and its pixels for the next one."""
    reuse_large_blocks()


def _measure(path: Path, task: Task) -> FileSources:
    image, missing = _open(path, task)
    image = replace(image, bright_positions=task.bright_positions)
    if task.psf_map is not None:
        image = with_beam_map(image, _open_psf_map(task.psf_map))
    if task.negative:
        image = replace(image, pixels=-image.pixels)
    image, grids = use_maps(
        image, task.parameters, background_map=task.background_map, rms_map=task.rms_map
    )
    detected_in = None
    if task.detection_image is not None:
        detected_in = open_detection_image(task.detection_image)
    extraction = extract_sources(image, task.parameters, detected_in, grids)
    if task.maps is not None:
        from livetrap.extraction.maps import write_maps  # noqa: PLC0415  (of --maps alone)

        write_maps(path, image, extraction, task.parameters.analysis_threshold_sigma, task.maps)
    header = image.metadata
    summary = ImageSummary(
        time_start=None if "time_start" in missing else header.time_start,
        freq_eff_hz=None if "freq_eff_hz" in missing else header.freq_eff_hz,
        rms_jy_beam=extraction.rms_jy_beam,
        detection_threshold_sigma=extraction.detection_threshold_sigma,
        n_px=image.pixels.size,
        n_blank_px=count_blank(image.pixels),
        warnings=image.warnings,
    )
    forced = None
    if task.positions is not None:
        forced = measure_positions(image, extraction, *task.positions)
    shapes = to_shapes(image, extraction.found)
    return FileSources(path, summary, extraction.sources, shapes, forced)


def _open(path: Path, task: Task) -> tuple[Image, set[str]]:
    """Return an image and the names of what its header does not tell."""
    data, cards = path.read_bytes(), dict(task.cards)
    missing: set[str] = set()
    while True:
        try:
            image = _open_plane(data, cards, task.plane)
        except RejectedImageError as error:
            name, stand_in = _OPTIONAL.get(ImageReason(error.reason_code), ("", {}))
            if not name or name in missing:
                raise
            missing.add(name)
            cards |= stand_in
            continue
        if "freq_eff_hz" in missing and image.metadata.unit.per == "K":
            raise RejectedImageError(
                ImageReason.NO_FREQUENCY,
                "pixels in K need a frequency; give it with --set RESTFRQ=HERTZ",
            )
        return image, missing


def _open_plane(data: bytes, cards: Mapping[str, str], plane: int | None) -> Image:
    try:
        return open_image(data, cards)
    except SeveralPlanesError as cube:
        n_planes = cube.fits.n_planes_of_file
        if plane is None or not 1 <= plane <= n_planes:
            raise RejectedImageError(
                ImageReason.NOT_2D,
                f"the file has {n_planes} planes; choose one with --plane 1 to {n_planes}",
            ) from None
        for number, data_of_plane in enumerate(split_file(cube.data, cube.fits), start=1):
            if number == plane:
                return open_image(data_of_plane, {})
        raise


@lru_cache(maxsize=1)
def open_detection_image(path: Path) -> Image:
    """Return the image in which sources are detected; it is read once."""
    return open_image(path.read_bytes(), {})


@lru_cache(maxsize=1)
def _open_psf_map(path: Path) -> BeamMap:
    """Return the map of beams; it is read once."""
    return read_beam_map(path, name="--psf-map")
