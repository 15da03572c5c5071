"""A publisher of ingest without a broker, and a handler of files that sends to it."""

from typing import TYPE_CHECKING

from runtime.errors import RejectedMessageError, TransientError
from runtime.in_flight import InFlight
from runtime.kafka import OutMessage
from schemas.topics import Topics
from services.ingest.handlers.files import FileHandler, FileRules
from services.ingest.models import ImageLimits, OnDone
from tests.support.fits_images import make

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FakePublisher", "dated", "handler"]


class FakePublisher:
    """Takes messages up to a size; `is_away` lets deliveries fail."""

    def __init__(
        self,
        *,
        most: int = 1 << 40,
        most_queued: int = 1 << 40,
        most_of_dead_letters: int = 1 << 40,
    ) -> None:
        self.messages: list[OutMessage] = []
        self.is_away = False
        # The images that are queued come to the broker in one request.
        self.most, self.most_queued = most, min(most, most_queued)
        self.most_of_dead_letters = most_of_dead_letters

    def send(self, message: OutMessage, on_done: OnDone) -> None:
        if self.is_away:
            on_done(TransientError("broker away"))
            return
        if len(message.value) > self.most_queued:
            on_done(RejectedMessageError("too_large", "max.message.bytes of the topic"))
            return
        self.messages.append(message)
        on_done(None)

    def send_and_locate(self, message: OutMessage) -> tuple[int, int]:
        if self.is_away:
            raise TransientError("broker away")
        is_image = message.topic == "images-v1"
        if len(message.value) > (self.most if is_image else self.most_of_dead_letters):
            raise RejectedMessageError("too_large", "max.message.bytes of the topic")
        self.messages.append(message)
        return 3, len(self.messages) - 1

    def flush(self) -> None:
        pass


def handler(
    publisher: FakePublisher,
    *,
    max_bytes: int = 1 << 20,
    passed_over: dict[str, list[str]] | None = None,
    in_flight: InFlight | None = None,
    **cards: str,
) -> FileHandler:
    said = {} if passed_over is None else passed_over
    rejections: list[tuple[Path, RejectedMessageError]] = []
    rules = FileRules("My Stream", cards, ImageLimits(max_bytes), "cluster")
    return FileHandler(
        publisher,
        Topics(),
        rules,
        on_rejected=lambda *each: rejections.append(each),
        on_passed_over=lambda path, names: said.update({path.name: list(names)}),
        in_flight=in_flight,
    )


def dated(second: int) -> bytes:
    return make(**{"DATE-OBS": f"2026-01-01T00:00:{second:02d}"})
