"""One accepted image into the archive, once."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from runtime.image_store import ImageStore
from runtime.kafka import InMessage
from schemas.identity import digest_image
from schemas.messages import ImageDetections, ImageMetadata, SourceOffset
from schemas.reasons import ForcedReason, MessageReason
from services.archive.errors import MissingImageError
from services.archive.steps.compression import compress
from sky.header.errors import HeaderError

__all__ = ["ARCHIVED", "KNOWN", "Archiver", "Rows", "file_name"]

ARCHIVED, KNOWN = "archived", "known"
_CARD_PREFIX = "fits:"


class Rows(Protocol):
    """The rows of images that an `Archiver` needs; every method raises `TransientError`."""

    def is_known(self, image_id: str) -> bool:
        """Return whether an image is, or was, in the archive."""
        ...

    def add(self, record: ImageDetections, name: str, n_bytes: int) -> None:
        """Note that a file is there."""
        ...

    def add_missing(self, record: ImageDetections, reason: str) -> None:
        """Note that an image was not archived."""
        ...


class Archiver:
    """Writes the file of an image, then its row; a repetition ends with the same.

    Parameters
    ----------
    store : ImageStore
        Where files go.
    rows : Rows
        What is there.
    fetch : callable
        Reads one message of a topic again, by partition and offset; None if Kafka has deleted it.
        It notes itself that it waits.
    images : (str, str)
        Cluster and topic of the images that can be read again.
    wait : callable
        Gives a context in which somebody else is waited for.
    max_bytes : int
        Largest image: bytes of its pixels.
    """

    def __init__(
        self,
        store: ImageStore,
        rows: Rows,
        fetch: Callable[[str, int, int], InMessage | None],
        *,
        images: tuple[str, str],
        wait: Callable[[], AbstractContextManager[None]],
        max_bytes: int,
    ) -> None:
        self._store = store
        self._rows = rows
        self._fetch = fetch
        self._images = images
        self._wait = wait
        self._max_bytes = max_bytes

    def archive(self, record: ImageDetections, metadata: ImageMetadata) -> tuple[str, int]:
        """Archive one image unless that was done.

        Parameters
        ----------
        record : ImageDetections
            Of an accepted image.
        metadata : ImageMetadata
            Of the record.

        Returns
        -------
        str
            ``archived``, ``known``, or the reason why it could not be archived.
        int
            Bytes that were written.
        """
        name = file_name(record, metadata)
        with self._wait():
            if self._rows.is_known(record.image_id):
                return KNOWN, 0
        try:
            data, cards = self._read(record.source, record.image_id)
            file = compress(data, cards, record.image_id, max_bytes=self._max_bytes)
        except MissingImageError as error:
            return self._book_missing(record, name, error.reason_code)
        except HeaderError:
            # The extractor has read it: a limit differs, or the version.
            return self._book_missing(record, name, MessageReason.UNSTORABLE.value)
        with self._wait():
            self._store.put(name, file)
            self._rows.add(record, name, len(file))
        return ARCHIVED, len(file)

    def _book_missing(self, record: ImageDetections, name: str, reason: str) -> tuple[str, int]:
        """Book an image that cannot be read; its file may be there, from a process that died."""
        with self._wait():
            n_bytes = self._store.find_size(name)
            if n_bytes is not None:
                self._rows.add(record, name, n_bytes)
                return ARCHIVED, 0
            self._rows.add_missing(record, reason)
        return reason, 0

    def _read(self, source: SourceOffset, image_id: str) -> tuple[bytes, dict[str, str]]:
        """Return an image as it was sent, and the cards that were sent beside it.

        Raises
        ------
        MissingImageError
            If it is there no longer.
        """
        if (source.cluster_id, source.topic) != self._images:
            raise MissingImageError(
                ForcedReason.IMAGE_ELSEWHERE, f"it was on {source.topic} of {source.cluster_id}"
            )
        message = self._fetch(source.topic, source.partition, source.offset)
        if message is not None:
            cards = {
                name.removeprefix(_CARD_PREFIX): value
                for name, value in message.headers.items()
                if name.startswith(_CARD_PREFIX)
            }
            if digest_image(message.value, cards).image_id == image_id:
                return message.value, cards
        raise MissingImageError(
            ForcedReason.IMAGE_GONE,
            f"{source.topic} no longer holds partition {source.partition}, offset {source.offset}",
        )


def file_name(record: ImageDetections, metadata: ImageMetadata) -> str:
    """Return the name of an image's file: stream, day, band and identity.

    Parameters
    ----------
    record : ImageDetections
        Of the image.
    metadata : ImageMetadata
        Of the record.
    """
    band = f"{metadata.freq_eff_hz / 1e6:.3f}MHz-{metadata.stokes}"
    day = f"{metadata.time_start:%Y-%m-%d}"
    return f"{_to_folder(record.stream)}/{day}/{band}/{record.image_id}.fits"


def _to_folder(stream: str) -> str:
    """Return a name that every file system and object store takes as it is."""
    name = "".join(
        each if each.isascii() and (each.isalnum() or each in "._-") else f"={ord(each):x}="
        for each in stream
    )
    return name if name.strip(".") else f"={name}"
