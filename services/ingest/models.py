"""What the edge knows of an image."""

from dataclasses import dataclass

from runtime.kafka import OutMessage

__all__ = ["IngestCounts", "PreparedImage"]


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
