"""The outcome of each image of a timestep: new, duplicate, replayed or sent again."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.messages import ImageDetections
from services.associate.models.catalogue import CatalogueState
from services.associate.models.timesteps import (
    KnownImage,
    LedgerEntry,
    Timestep,
    TimestepImage,
)

__all__ = ["RegisteredImages", "register_images"]


@dataclass(frozen=True, slots=True)
class RegisteredImages:
    """The images that a timestep adds, the outcomes, and rejected images that are replaced."""

    images: tuple[TimestepImage, ...]
    entries: tuple[LedgerEntry, ...]
    replaced_image_ids: tuple[str, ...]

    @property
    def accepted(self) -> list[TimestepImage]:
        """Return the images that passed the quality control."""
        return [image for image in self.images if image.record.verdict == "accepted"]


def register_images(timestep: Timestep, state: CatalogueState) -> RegisteredImages:
    """Return the outcomes of a timestep's images.

    An image that the catalogue has from the same offset of Kafka is a replay and has no
    outcome; from another offset it is a duplicate. One that was rejected and is accepted now
    (its dead letter was redriven) counts as new.
    """
    known = dict(state.images)
    images: list[TimestepImage] = []
    entries: list[LedgerEntry] = []
    replaced: list[str] = []
    for record, band_id in zip(timestep.records, state.band_ids, strict=True):
        outcome = _outcome(record, known, is_late=timestep.is_late)
        if outcome is None:
            continue
        entries.append(LedgerEntry(record, outcome))
        if outcome != "duplicate":
            images.append(TimestepImage(len(images), band_id, record))
            if record.image_id in known:
                replaced.append(record.image_id)
            known[record.image_id] = KnownImage(record.source, record.verdict)
    return RegisteredImages(tuple(images), tuple(entries), tuple(replaced))


def _outcome(
    record: ImageDetections, known: Mapping[str, KnownImage], *, is_late: bool
) -> str | None:
    """Return the outcome of an image; None for a replay."""
    before = known.get(record.image_id)
    if before is not None and before.source == record.source:
        return None
    if before is not None and not (before.verdict == "rejected" != record.verdict):
        return "duplicate"
    if record.verdict == "rejected":
        return "rejected"
    return "late" if is_late else "processed"
