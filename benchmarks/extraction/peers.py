"""The finders that are compared, through the same two doors: pixels, and the bytes of a FITS file.

All search peaks above 5 sigma in islands above 3 sigma, with the background in cells of 64 px.
From pixels a finder gets a native float32 array of its own and returns a list of sources. From a
file it gets bytes in memory and returns sky positions too; the peers read them with astropy.

Settings by which each does this work fastest:

- SEP: as `sep_finder` says.
- PySE: vectorised moments, and Gauss fits only where it insists on them.
- photutils: no convolution; only the columns that are read are computed.
"""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from benchmarks.extraction.measured import ANALYSIS_SIGMA, CELL_PX, DETECTION_SIGMA, Measured
from benchmarks.extraction.sky import GeneratedField, to_fits
from livetrap.simulator.image import make_wcs
from schemas.messages import SourceColumns
from services.extract.models import FinderParameters, Image
from services.extract.steps.catalogue import extract_sources
from services.extract.steps.image import open_image

__all__ = ["PEERS", "Finder", "Measured"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Finder:
    """A finder on fields like one: `read` brings the result of the two others into one form.

    `find_in_pixels` gets an array that it may modify, `find_in_file` the bytes of a FITS file.
    """

    find_in_pixels: Callable[[NDArray[np.float32]], Any]
    find_in_file: Callable[[bytes], Any]
    read: Callable[[Any], Measured]


def prepare_livetrap(field: GeneratedField, *, force_beam: bool = True) -> Finder:
    """LiveTrap, with all that the service does: blanks, checks, errors, positions on the sky."""
    opened = open_image(to_fits(field), {})
    parameters = FinderParameters(
        detection_threshold_sigma=DETECTION_SIGMA,
        analysis_threshold_sigma=ANALYSIS_SIGMA,
        background_cell_px=CELL_PX,
        force_beam=force_beam,
    )

    def find(image: Image) -> tuple[Image, SourceColumns]:
        return image, extract_sources(image, parameters).sources

    def read(result: tuple[Image, SourceColumns]) -> Measured:
        image, sources = result
        x, y = image.projection.to_pixel(sources.ra, sources.dec)
        pixel_deg = field.config.pixel_arcsec / 3600
        return Measured(
            x=x, y=y,
            x_err=sources.ra_err_deg / pixel_deg,
            y_err=sources.dec_err_deg / pixel_deg,
            peak=sources.flux_peak_jy_beam, peak_err=sources.flux_peak_err_jy_beam,
            flux=sources.flux_int_jy, flux_err=sources.flux_int_err_jy,
        )  # fmt: skip

    return Finder(
        lambda pixels: find(replace(opened, pixels=pixels)),
        lambda data: find(open_image(data, {})),
        read,
    )


def prepare_livetrap_free(field: GeneratedField) -> Finder:
    """LiveTrap with free shapes."""
    return prepare_livetrap(field, force_beam=False)


def prepare_sep(field: GeneratedField) -> Finder:
    """SEP (SExtractor as a library)."""
    from benchmarks.extraction.sep_finder import SepFinder  # noqa: PLC0415

    config = field.config
    find = SepFinder(math.sqrt(config.beam_major_px * config.beam_minor_px)).find
    return Finder(find, _from_file(find), lambda found: found)


def prepare_pyse(field: GeneratedField) -> Finder:
    """PySE, TraP's own finder, vectorised moments."""
    from sourcefinder.config import Conf, ExportSettings, ImgConf  # noqa: PLC0415
    from sourcefinder.image import ImageData  # noqa: PLC0415
    from sourcefinder.utility import coordinates  # noqa: PLC0415

    config = field.config
    wcs = coordinates.WCS()
    wcs.wcs = make_wcs(config)
    beam = (
        config.beam_major_px / 2,
        config.beam_minor_px / 2,
        math.radians(config.beam_pa_deg),
    )
    settings = Conf(
        ImgConf(
            detection_thr=DETECTION_SIGMA,
            analysis_thr=ANALYSIS_SIGMA,
            grid=CELL_PX,
            vectorized=True,
            force_beam=False,
        ),
        ExportSettings(),
    )

    def find(pixels: NDArray[np.float32]) -> Any:
        return ImageData(pixels.T, beam, wcs, settings).extract()

    def find_in_file(data: bytes) -> Any:
        # Its list has positions on the sky already.
        pixels, wcs.wcs = _read_with_astropy(data)
        return find(pixels)

    return Finder(find, find_in_file, _from_pyse)


def _from_pyse(table: Any) -> Measured:
    def column(name: str) -> FloatArray:
        return np.asarray(table[name], dtype=np.float64)

    return Measured(
        x=column("x"), y=column("y"), x_err=column("x_err"), y_err=column("y_err"),
        peak=column("peak"), peak_err=column("peak_err"),
        flux=column("flux"), flux_err=column("flux_err"),
    )  # fmt: skip


def prepare_photutils(field: GeneratedField) -> Finder:
    """Photutils: segmentation, deblending, isophotal shapes."""
    from photutils.background import (  # noqa: PLC0415
        Background2D,
        SExtractorBackground,
        StdBackgroundRMS,
    )
    from photutils.segmentation import SourceCatalog, deblend_sources, detect_sources  # noqa: PLC0415

    config = field.config
    beam_px = math.pi * config.beam_major_px * config.beam_minor_px / (4 * math.log(2))

    def find(pixels: NDArray[np.float32]) -> Measured:
        background = Background2D(
            pixels, CELL_PX, bkg_estimator=SExtractorBackground(),
            bkg_rms_estimator=StdBackgroundRMS(),
        )  # fmt: skip
        pixels -= background.background.astype(np.float32)
        rms = background.background_rms
        segments = detect_sources(pixels, ANALYSIS_SIGMA * rms, 3)
        segments = deblend_sources(pixels, segments, 3, progress_bar=False)
        table = SourceCatalog(pixels, segments, error=rms)
        peak = np.asarray(table.max_value, dtype=np.float64)
        at = np.asarray(table.maxval_index)
        noise = rms[at[:, 0], at[:, 1]]
        keep = peak >= DETECTION_SIGMA * noise
        centroid = np.asarray(table.centroid_win)
        nothing = np.full(int(keep.sum()), np.nan)
        return Measured(
            x=centroid[keep, 0], y=centroid[keep, 1], x_err=nothing, y_err=nothing,
            peak=peak[keep], peak_err=noise[keep],
            flux=np.asarray(table.kron_flux)[keep] / beam_px,
            flux_err=np.asarray(table.kron_flux_err)[keep] / beam_px,
        )  # fmt: skip

    return Finder(find, _from_file(find), lambda found: found)


def _read_with_astropy(data: bytes) -> tuple[NDArray[np.float32], WCS]:
    """Return native pixels and celestial WCS of a FITS file."""
    with fits.open(io.BytesIO(data), memmap=False) as file:
        header, pixels = file[0].header, file[0].data
    return np.ascontiguousarray(np.squeeze(pixels), dtype=np.float32), WCS(header).celestial


def _from_file(
    find: Callable[[NDArray[np.float32]], Measured],
) -> Callable[[bytes], Measured]:
    """Return a finder that reads a FITS file first, and computes positions on the sky."""

    def find_in_file(data: bytes) -> Measured:
        pixels, wcs = _read_with_astropy(data)
        found = find(pixels)
        wcs.all_pix2world(found.x, found.y, 0)
        return found

    return find_in_file


PEERS: dict[str, Callable[[GeneratedField], Finder]] = {
    "livetrap": prepare_livetrap,
    "livetrap free": prepare_livetrap_free,
    "sep": prepare_sep,
    "pyse": prepare_pyse,
    "photutils": prepare_photutils,
}
