"""Which positions an image covers, and how deep."""

from collections.abc import Iterable, Sequence

import numpy as np

from schemas.messages import BoolArray, FloatArray, ImageDetections, ImageMetadata
from services.associate.models.catalogue import ChannelKey
from services.associate.models.decisions import CoverageRows
from services.associate.models.timesteps import TimestepImage
from sky.coverage import cells_of_field
from sky.geometry import Probes, probe_zones
from sky.margin import is_searched
from sky.rms_grid import rms_at
from sky.wcs import SkyProjection

__all__ = [
    "channel_of",
    "covers",
    "covers_any",
    "find_coverage",
    "find_field_boxes",
    "margin_of",
    "metadata_of",
]


def metadata_of(record: ImageDetections) -> ImageMetadata:
    """Return the metadata of an accepted image, which `check_record` has made sure of."""
    if record.metadata is None:
        raise RuntimeError("an accepted image has metadata: check_record refuses others")
    return record.metadata


def channel_of(image: TimestepImage) -> ChannelKey:
    """Return the band and the Stokes parameter of an accepted image."""
    if image.band_id is None:
        raise RuntimeError("an image with metadata has a band")
    return image.band_id, metadata_of(image.record).stokes


def margin_of(record: ImageDetections) -> int:
    """Return the border of an image in which no sources were searched [px]; 0 if not stated."""
    return record.margin_px or 0


def covers(record: ImageDetections, ra: FloatArray, dec: FloatArray) -> BoolArray:
    """Return which positions (n,) [deg] lie in the part of an image that is searched."""
    metadata = metadata_of(record)
    x, y = SkyProjection.of(metadata.wcs_header).to_pixel(ra, dec)
    return is_searched((metadata.height_px, metadata.width_px), x, y, margin_of(record))


def covers_any(records: Iterable[ImageDetections], ra: FloatArray, dec: FloatArray) -> BoolArray:
    """Return which positions (n,) [deg] lie in the searched part of at least one image."""
    found = np.zeros(ra.size, np.bool_)
    for record in records:
        rest = np.flatnonzero(~found)
        if not rest.size:
            break
        found[rest] = covers(record, ra[rest], dec[rest])
    return found


def find_field_boxes(records: Sequence[ImageDetections], margin_deg: float) -> Probes:
    """Return boxes of the search index that hold all within a margin [deg] of accepted images."""
    fields = [metadata_of(record) for record in records]
    return probe_zones(
        np.array([each.field_ra for each in fields]),
        np.array([each.field_dec for each in fields]),
        max(each.field_radius_deg for each in fields) + margin_deg,
    )


def find_coverage(image: TimestepImage, image_key: int) -> CoverageRows:
    """Return the cells of the sky that an accepted image covers, for later new-source tests."""
    metadata, grid = metadata_of(image.record), image.record.rms_grid
    if grid is None:
        raise RuntimeError("an accepted image has an rms grid: check_record refuses others")
    shape = (metadata.height_px, metadata.width_px)
    cells, x, y = cells_of_field(
        metadata.wcs_header, shape, metadata.field_radius_deg, margin_of(image.record)
    )
    rms = rms_at(grid.rms_jy_beam, shape, x, y)
    covered = np.isfinite(rms)
    return CoverageRows(channel_of(image), image_key, cells[covered], rms[covered])
