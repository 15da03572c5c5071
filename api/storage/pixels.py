"""Pixels of images, read again from Kafka while it has them."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from api.errors import ProblemError
from api.models.pixels import PixelImage
from runtime.kafka import MessageFetcher, fetch_cluster_id
from runtime.settings import KafkaSettings
from schemas.identity import digest_image
from sky.header.errors import HeaderError

__all__ = ["ImagePixels"]

_TIMEOUT_S = 10.0
_CARD_PREFIX = "fits:"


class ImagePixels:
    """Reads images by their offsets, one at a time, and keeps the last ones that were asked for.

    Parameters
    ----------
    kafka : KafkaSettings
        Where the broker is.
    max_bytes : int
        Limit of the pixels that are kept [byte].
    """

    def __init__(self, kafka: KafkaSettings, *, max_bytes: int) -> None:
        self._kafka = kafka
        self._max_bytes = max_bytes
        self._images: OrderedDict[str, PixelImage] = OrderedDict()
        self._lock = threading.Lock()
        self._fetcher = MessageFetcher(kafka, group="livetrap-api-pixels")

    def read(self, row: Mapping[str, Any]) -> PixelImage:
        """Return an image with its pixels; it may wait for Kafka, so call it in a thread.

        Parameters
        ----------
        row : mapping
            Of query ``get_image_place``.

        Raises
        ------
        ProblemError
            404 if the pixels are gone, or were never readable.
        TransientError
            If the broker does not answer.
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
        """Return an image as it was sent; parameters and errors as of `read`."""
        with self._lock:
            return self._fetch_file(row)[0]

    def close(self) -> None:
        """Close the connection to Kafka, if there is one."""
        with self._lock:
            self._fetcher.close()

    def _fetch(self, row: Mapping[str, Any]) -> PixelImage:
        from sky.fits import decode_pixels, parse_fits  # noqa: PLC0415  (astropy: slow to import)

        data, cards = self._fetch_file(row)
        try:
            pixels = decode_pixels(data, parse_fits(data, cards))
        except HeaderError as error:
            raise _gone(row, f"they cannot be read: {error}") from error
        return PixelImage(pixels, row["wcs_header"])

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


def _gone(row: Mapping[str, Any], why: str) -> ProblemError:
    when = f", appended at {row['time_appended']:%FT%TZ}" if row["time_appended"] else ""
    place = f"offset {row['kafka_offset']} of partition {row['kafka_partition']}{when}"
    return ProblemError(404, f"the pixels of image {row['id']} are gone ({place}): {why}")
