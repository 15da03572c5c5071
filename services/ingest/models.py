"""What the edge knows of an image, and of the way out."""

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
    """How a run went."""

    published: int = 0
    rejected: int = 0
    n_bytes: int = 0


class ImagePublisher(Protocol):
    """How messages leave; nothing here knows which client does it."""

    def send(self, message: OutMessage, on_done: Callable[[str | None], None]) -> None:
        """Queue a message; `on_done` is told why it failed, or None."""

    def send_and_locate(self, message: OutMessage) -> tuple[int, int]:
        """Send a message and return its partition and offset."""

    def flush(self) -> None:
        """Return when everything queued is decided."""
