"""The latest images, kept for forced photometry: requests follow within seconds, or later."""

import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from runtime.logging import RateLimiter, get_logger
from services.extract import metrics
from services.extract.models import ExtractedImage, Image
from services.extract.steps.pixel_file import PixelFile

__all__ = ["RecentImages"]

# Until requests have shown how long they take.
_FIRST_DELAY_S = 10.0
_REMEMBERED_DELAYS = 64
# An image is of use for so many times the longest delay of the last requests.
_DELAYS_KEPT = 4.0
# Who has asked for an image that had left memory may fall behind again in this time [s]. In it an
# image that is newer than all that were asked for is of use for so long, however soon the last
# requests came: they come in the order of the images, but for those of several streams [s].
_BEHIND_S, _UNASKED_KEPT_S = 20.0, 60.0
# On disk are the pixels; the sources of an image stay in memory, some ten kilobytes.
_MOST_ON_DISK = 2000
# Names of images that were here, 150 bytes each.
_MOST_NAMES = 20_000


@dataclass(frozen=True, slots=True)
class _Kept:
    extracted: ExtractedImage
    put_s: float
    # Where its pixels are in the file.
    start: int = 0


class RecentImages:
    """The latest images, up to a limit of memory, then of disk.

    Pixels go to disk only while requests come so late that their images have left memory: when a
    service is behind, or was and has asked for none that is newer.

    Parameters
    ----------
    max_bytes : int
        Limit of all pixels together: the oldest images leave first, the latest one never; 0: none
        is kept.
    folder : Path or None
        Where a file without a name holds pixels that have left memory; None: nowhere.
    max_disk_bytes : int
        Limit of that file.
    clock : callable
        Returns the time [s].
    """

    def __init__(
        self,
        max_bytes: int,
        *,
        folder: Path | None = None,
        max_disk_bytes: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_bytes = max_bytes
        self._n_bytes = 0
        self._clock = clock
        self._images: OrderedDict[str, _Kept] = OrderedDict()
        self._names: OrderedDict[str, None] = OrderedDict()
        self._on_disk: OrderedDict[str, _Kept] = OrderedDict()
        self._file = PixelFile(folder, max_disk_bytes) if folder and max_disk_bytes else None
        self._delays_s: deque[float] = deque(maxlen=_REMEMBERED_DELAYS)
        # When the newest of the images that were asked for was put, and until when who asks is
        # taken to be behind.
        self._newest_asked_s = self._behind_until_s = -math.inf
        self._limiter = RateLimiter()

    def put(self, image_id: str, extracted: ExtractedImage) -> None:
        """Keep an image."""
        self._drop(image_id)
        self._names[image_id] = None
        if len(self._names) > _MOST_NAMES:
            self._names.popitem(last=False)
        if not self._max_bytes:
            return
        self.make_room(extracted.image.pixels.nbytes)
        self._images[image_id] = _Kept(extracted, self._clock())
        self._n_bytes += extracted.image.pixels.nbytes

    def make_room(self, n_bytes: int) -> None:
        """Let images leave memory until there is room for the pixels of another one.

        Called before they are decoded, it saves the memory of an image.
        """
        while self._images and self._n_bytes + n_bytes > self._max_bytes:
            oldest = next(iter(self._images))
            self._move_to_disk(oldest, self._drop(oldest))

    def get(self, image_id: str) -> ExtractedImage | None:
        """Return an image, or None if it is not kept."""
        kept = self._images.get(image_id) or self._on_disk.get(image_id)
        if image_id not in self._images and image_id in self._names:
            self._behind_until_s = self._clock() + _BEHIND_S
        if kept is None:
            # Later than everything that is kept.
            self._delays_s.append(self._longest_kept_s())
            return None
        self._delays_s.append(self._clock() - kept.put_s)
        self._newest_asked_s = max(self._newest_asked_s, kept.put_s)
        return self._read(image_id, kept)

    def look_back(self, image_id: str) -> ExtractedImage | None:
        """Return an image that later ones are compared with, or None if it is not kept.

        It is of any age: what it says of how long images are wanted has a limit.
        """
        kept = self._images.get(image_id) or self._on_disk.get(image_id)
        age_s = _FIRST_DELAY_S if kept is None else self._clock() - kept.put_s
        self._delays_s.append(min(age_s, _FIRST_DELAY_S))
        return None if kept is None else self._read(image_id, kept)

    def peek(self, image_id: str) -> ExtractedImage | None:
        """Return an image, or None if it is not kept; it says nothing of how long it is wanted."""
        kept = self._images.get(image_id) or self._on_disk.get(image_id)
        return None if kept is None else self._read(image_id, kept)

    def has_had(self, image_id: str) -> bool:
        """Return whether an image was here, of the last 20 000."""
        return image_id in self._names

    def _read(self, image_id: str, kept: _Kept) -> ExtractedImage | None:
        return kept.extracted if image_id in self._images else self._read_from_disk(kept)

    def clear(self) -> None:
        """Drop all images."""
        self._images.clear()
        self._on_disk.clear()
        self._n_bytes = 0

    def _drop(self, image_id: str) -> _Kept | None:
        self._on_disk.pop(image_id, None)
        dropped = self._images.pop(image_id, None)
        if dropped is not None:
            self._n_bytes -= dropped.extracted.image.pixels.nbytes
        return dropped

    def _longest_kept_s(self) -> float:
        oldest = next(iter((self._on_disk or self._images).values()), None)
        return max(_FIRST_DELAY_S, self._clock() - oldest.put_s if oldest else 0.0)

    def _is_wanted(self, kept: _Kept) -> bool:
        """Return whether a request for an image may still come."""
        age_s = self._clock() - kept.put_s
        delay_s = max(self._delays_s, default=_FIRST_DELAY_S)
        if age_s < _DELAYS_KEPT * delay_s:
            return True
        is_unasked = kept.put_s > self._newest_asked_s
        return is_unasked and age_s < _UNASKED_KEPT_S and self._clock() < self._behind_until_s

    def _move_to_disk(self, image_id: str, kept: _Kept | None) -> None:
        if self._file is None or kept is None or not self._is_wanted(kept):
            return
        image = kept.extracted.image
        try:
            span = self._file.write(image.pixels)
        except OSError as error:
            # Half of it may be over older ones. All can be read from Kafka again.
            self._on_disk.clear()
            if self._limiter.allows():
                get_logger().warning("image_not_kept_on_disk", error=str(error))
            return
        if span is None:
            return
        metrics.IMAGES_ON_DISK.inc()
        while self._on_disk and (
            len(self._on_disk) >= _MOST_ON_DISK
            or span.overwrites(next(iter(self._on_disk.values())).start)
        ):
            self._on_disk.popitem(last=False)
        bare = replace(kept.extracted, image=replace(image, pixels=_without_pixels(image)))
        self._on_disk[image_id] = replace(kept, extracted=bare, start=span.start)

    def _read_from_disk(self, kept: _Kept) -> ExtractedImage | None:
        image = kept.extracted.image
        if self._file is None:
            return None
        pixels = self._file.read(kept.start, image.pixels.shape)
        return replace(kept.extracted, image=replace(image, pixels=pixels))


def _without_pixels(image: Image) -> npt.NDArray[np.float32]:
    """Return an array of the image's shape that takes no memory."""
    return np.broadcast_to(np.float32(np.nan), image.pixels.shape)
