"""Which places an image shows."""

from schemas.messages import BoolArray, FloatArray, ImageDetections, ImageMetadata
from services.associate.models import StoredImage
from sky.margin import is_searched
from sky.wcs import SkyProjection

__all__ = ["covers", "margin_of", "metadata_of"]


def metadata_of(image: StoredImage) -> ImageMetadata:
    """Return what an accepted image always has."""
    if image.record.metadata is None:
        raise RuntimeError("an accepted image has metadata: records are checked at the door")
    return image.record.metadata


def margin_of(record: ImageDetections) -> int:
    """Return the border of an image in which no sources were searched [px]; 0 if not stated."""
    return record.margin_px or 0


def covers(image: StoredImage, ra: FloatArray, dec: FloatArray) -> BoolArray:
    """Return which places (n,) lie in the part of an image that is searched."""
    metadata = metadata_of(image)
    x, y = SkyProjection.of(metadata.wcs_header).to_pixel(ra, dec)
    return is_searched((metadata.height_px, metadata.width_px), x, y, margin_of(image.record))
