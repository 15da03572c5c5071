"""The identity of an image, computed while the image is measured."""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from schemas.identity import ImageDigest, digest_image

__all__ = ["DigestThread", "PendingDigest"]


class PendingDigest:
    """The identity of an image, known when it is asked for.

    Parameters
    ----------
    future : Future
        Gets the identity.
    data : bytes
        The FITS file.
    cards : mapping of str to str
        FITS cards to add or override.
    """

    def __init__(self, future: Future[ImageDigest], data: bytes, cards: Mapping[str, str]) -> None:
        self._future: Future[ImageDigest] | None = future
        self._data = data
        self._cards = cards

    @property
    def file_sha256(self) -> str:
        """Return sha256 of the file; wait for it."""
        return self._known().file_sha256

    @property
    def image_id(self) -> str:
        """Return sha256 of the file and its cards; wait for it."""
        return self._known().image_id

    def _known(self) -> ImageDigest:
        """Return the identity; after a failure another call computes it anew."""
        future, self._future = self._future, None
        if future is None:
            future = Future()
            future.set_result(digest_image(self._data, self._cards))
        digest = future.result()
        self._future = future
        return digest


class DigestThread:
    """Computes identities beside the caller: a hash needs the bytes, and nothing else."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "digest")

    def begin(self, data: bytes, cards: Mapping[str, str]) -> PendingDigest:
        """Return the identity of an image, before it is known.

        Parameters
        ----------
        data : bytes
            The FITS file.
        cards : mapping of str to str
            FITS cards to add or override.
        """
        return PendingDigest(self._thread.submit(digest_image, data, cards), data, cards)
