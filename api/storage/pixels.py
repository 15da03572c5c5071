"""Pixels of images, read again from Kafka while it has them, then from the archive."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np

from api.errors import ProblemError
from api.models.pixels import PixelImage
from runtime.errors import TransientError
from runtime.image_store import ImageStore
from runtime.kafka import MessageFetcher, fetch_cluster_id
from runtime.settings import KafkaSettings
from schemas.identity import digest_image
from sky.header.errors import HeaderError

__all__ = ["ImagePixels"]

_TIMEOUT_S = 10.0
_CARD_PREFIX = "fits:"
# The extractor has accepted the image: it is no bomb.
_MOST_UNPACKED_BYTES = 1 << 32


class ImagePixels:
    """Reads images, one at a time, and keeps the last ones that were asked for.

    Parameters
    ----------
    kafka : KafkaSettings
        Where the broker is.
    archive : ImageStore or None
        What has images that Kafka has no longer; None: nothing.
    max_bytes : int
        Limit of the pixels that are kept [byte].
    """

    def __init__(
        self, kafka: KafkaSettings, archive: ImageStore | None, *, max_bytes: int
    ) -> None:
        self._archive = archive
        self._kafka = kafka
        self._max_bytes = max_bytes
        self._images: OrderedDict[str, PixelImage] = OrderedDict()
        self._lock = threading.Lock()
        self._fetcher = MessageFetcher(kafka, group="livetrap-api-pixels")

    def read(self, row: Mapping[str, Any]) -> PixelImage:
        """Return an image with its pixels; it may wait, so call it in a thread.

        Parameters
        ----------
        row : mapping
            Of query ``get_image_place``.

        Raises
        ------
        ProblemError
            404 if the pixels are gone, or were never readable.
        TransientError
            If the broker does not answer and the archive has them not, or does not either.
        """
        with self._lock:
            image = self._images.pop(row["image_id"], None)
            if image is None:
                image = self._fetch(row)
            self._images[row["image_id"]] = image
            while sum(each.pixels.nbytes for each in self._images.values()) > self._max_bytes:
                self._images.popitem(last=False)
        return image

    def read_file(self, row: Mapping[str, Any]) -> bytes:
        """Return an image as it was sent, or its file in the archive; otherwise as `read`."""
        with self._lock:
            try:
                return self._fetch_file(row)[0]
            except (ProblemError, TransientError) as gone:
                return self._read_archived(row, gone)

    def close(self) -> None:
        """Close the connection to Kafka, if there is one."""
        with self._lock:
            self._fetcher.close()

    def _fetch(self, row: Mapping[str, Any]) -> PixelImage:
        try:
            data, cards = self._fetch_file(row)
            return _decode(row, data, cards)
        except (ProblemError, TransientError) as gone:
            return _decode(row, self._read_archived(row, gone), {})

    def _read_archived(self, row: Mapping[str, Any], gone: ProblemError | TransientError) -> bytes:
        """Return the file of an image in the archive.

        Raises
        ------
        ProblemError
            404 with the words of `gone`, and what the archive says.
        TransientError
            `gone`, if Kafka may have the image; if the archive does not answer.
        """
        is_there = row["archive_name"] is not None and row["archive_time_gone"] is None
        data = self._archive.get(row["archive_name"]) if self._archive and is_there else None
        if data is not None:
            return data
        if isinstance(gone, TransientError) or self._archive is None:
            raise gone
        raise ProblemError(gone.status, f"{gone.detail}; {_describe_archive(row)}") from gone

    def _fetch_file(self, row: Mapping[str, Any]) -> tuple[bytes, dict[str, str]]:
        """Return an image as it was sent, and the cards that were sent beside it."""
        if fetch_cluster_id(self._kafka, timeout_s=_TIMEOUT_S) != row["kafka_cluster_id"]:
            raise _gone(row, "they were on another Kafka cluster")
        place = row["kafka_topic"], row["kafka_partition"], row["kafka_offset"]
        message = self._fetcher.fetch(*place)
        if message is None:
            raise _gone(row, f"Kafka has deleted them{self._held_since(row)}")
        cards = {
            name.removeprefix(_CARD_PREFIX): value
            for name, value in message.headers.items()
            if name.startswith(_CARD_PREFIX)
        }
        if digest_image(message.value, cards).image_id != row["image_id"]:
            raise _gone(row, "Kafka has another image at their place")
        return message.value, cards

    def _held_since(self, row: Mapping[str, Any]) -> str:
        """Return from when on the partition of an image still has others; empty: it has none."""
        oldest = self._fetcher.fetch_oldest(row["kafka_topic"], row["kafka_partition"])
        if oldest is None or oldest.time_appended is None:
            return ""
        return f"; it holds what was appended since {oldest.time_appended:%FT%TZ}"


def _decode(row: Mapping[str, Any], data: bytes, cards: Mapping[str, str]) -> PixelImage:
    from sky.fits_containers import open_fits  # noqa: PLC0415  (the same)
    from sky.fits_pixels import decode_pixels  # noqa: PLC0415  (astropy: slow to import)
    from sky.metadata import read_metadata  # noqa: PLC0415  (the same)
    from sky.wcs import SkyProjection  # noqa: PLC0415  (the same)

    try:
        data, fits = open_fits(data, cards, max_bytes=_MOST_UNPACKED_BYTES)
        pixel_deg = SkyProjection.of(row["wcs_header"]).pixel_scale_deg(fits.shape)
        factor = read_metadata(fits.header).jy_beam_factor(pixel_deg)
        pixels = decode_pixels(data, fits)
        if factor != 1.0:
            pixels *= np.float32(factor)
    except HeaderError as error:
        raise _gone(row, f"they cannot be read: {error}") from error
    return PixelImage(pixels, row["wcs_header"])


def _describe_archive(row: Mapping[str, Any]) -> str:
    """Return why the archive has not the pixels of an image."""
    if row["archive_time_gone"] is None:
        name = row["archive_name"]
        return "they were not archived" if name is None else f"the archive has lost {name}"
    when = f"{row['archive_time_gone']:%FT%TZ} ({row['archive_gone_reason']})"
    if row["archive_name"] is None:
        return f"they were not archived: gone before {when}"
    return f"the archive deleted them at {when}"


def _gone(row: Mapping[str, Any], why: str) -> ProblemError:
    when = f", appended at {row['time_appended']:%FT%TZ}" if row["time_appended"] else ""
    place = f"offset {row['kafka_offset']} of partition {row['kafka_partition']}{when}"
    return ProblemError(404, f"the pixels of image {row['id']} are gone ({place}): {why}")
