"""The latest images, kept in memory for forced photometry: requests follow within seconds."""

from collections import OrderedDict

from services.extract.models import ExtractedImage

__all__ = ["RecentImages"]


class RecentImages:
    """The latest images, up to a limit of memory.

    Parameters
    ----------
    max_bytes : int
        Limit of all pixels together; the oldest images are dropped first, and an image larger
        than this is not kept.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._n_bytes = 0
        self._images: OrderedDict[str, ExtractedImage] = OrderedDict()

    def put(self, image_id: str, extracted: ExtractedImage) -> None:
        """Keep an image."""
        self._drop(image_id)
        if extracted.image.pixels.nbytes > self._max_bytes:
            return
        self._images[image_id] = extracted
        self._n_bytes += extracted.image.pixels.nbytes
        while self._n_bytes > self._max_bytes:
            self._drop(next(iter(self._images)))

    def get(self, image_id: str) -> ExtractedImage | None:
        """Return an image, or None if it is not in memory."""
        return self._images.get(image_id)

    def clear(self) -> None:
        """Drop all images."""
        self._images.clear()
        self._n_bytes = 0

    def _drop(self, image_id: str) -> None:
        dropped = self._images.pop(image_id, None)
        if dropped is not None:
            self._n_bytes -= dropped.image.pixels.nbytes
