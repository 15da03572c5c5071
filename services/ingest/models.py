"""Data classes of the ingest service, and the interface of a publisher."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from runtime.errors import RejectedMessageError, TransientError
from runtime.kafka import OutMessage

__all__ = [
    "FileBytes",
    "FoundFiles",
    "ImageLimits",
    "ImagePublisher",
    "IngestCounts",
    "OnDone",
    "PreparedImage",
]

# Called with the failure of a message: for the moment, or for good; None: it was delivered.
OnDone = Callable[[TransientError | RejectedMessageError | None], None]


@dataclass(frozen=True, slots=True)
class FileBytes:
    """A file, or as much of it as is needed to see that it is too large.

    Parameters
    ----------
    data : bytes
        What was read of it; its digest is the identity of a file that is rejected.
    size : int
        How large it is [byte].
    """

    data: bytes = b""
    size: int = 0


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """An image ready for Kafka, and the names of others in its file that are not measured."""

    image_id: str
    stream: str
    message: OutMessage
    passed_over: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What every image must satisfy.

    Parameters
    ----------
    max_bytes : int
        Largest image: bytes of its pixels, all planes together.
    max_future_s : float
        How far ahead of now an exposure may start [s].
    splits_cubes : bool
        Whether an image may have several planes, which the extractor then splits.
    """

    max_bytes: int
    max_future_s: float = 86400.0
    splits_cubes: bool = True

    def latest(self) -> datetime:
        """Return the latest possible start of an exposure, UTC."""
        return datetime.now(UTC) + timedelta(seconds=self.max_future_s)


@dataclass(frozen=True, slots=True)
class FoundFiles:
    """Files to publish, and those of a directory that are no images."""

    images: list[Path]
    skipped: list[Path]


@dataclass(slots=True)
class IngestCounts:
    """Counts of one run."""

    published: int = 0
    rejected: int = 0
    n_bytes: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


class ImagePublisher(Protocol):
    """Sends messages to Kafka, with whichever client."""

    def send(self, message: OutMessage, on_done: OnDone) -> None:
        """Queue a message; `on_done` is called with its failure, or None.

        Raises
        ------
        RejectedMessageError
            If it is larger than this client may send.
        """

    def send_and_locate(self, message: OutMessage) -> tuple[int, int]:
        """Send a message and return its partition and offset; errors as of `send`."""

    def flush(self) -> None:
        """Return when every queued message is delivered or has failed."""
