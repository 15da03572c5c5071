"""Data classes of the ingest service, and the interface of a publisher."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from runtime.kafka import OutMessage

__all__ = ["ImagePublisher", "IngestCounts", "PreparedImage"]


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """An image ready for Kafka."""

    image_id: str
    stream: str
    message: OutMessage


@dataclass(slots=True)
class IngestCounts:
    """Counts of one run."""

    published: int = 0
    rejected: int = 0
    n_bytes: int = 0


class ImagePublisher(Protocol):
    """Sends messages to Kafka, with whichever client."""

    def send(self, message: OutMessage, on_done: Callable[[str | None], None]) -> None:
        """Queue a message; `on_done` is called with the reason of a failure, or None."""

    def send_and_locate(self, message: OutMessage) -> tuple[int, int]:
        """Send a message and return its partition and offset."""

    def flush(self) -> None:
        """Return when every queued message is delivered or has failed."""
