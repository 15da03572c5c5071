"""The outcome of each image of a timestep: new, duplicate, replayed or sent again."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from runtime.settings import AssociateSettings
from schemas.messages import ImageDetections
from services.associate.models.catalogue import CatalogueState
from services.associate.models.solutions import ImageSolution
from services.associate.models.timesteps import (
    KnownImage,
    LedgerEntry,
    SameTimeImage,
    Timestep,
    TimestepImage,
)
from services.associate.steps.calibration import calibrate_image
from sky.geometry import to_unit_vectors

__all__ = [
    "SAME_EXPOSURE",
    "RegisteredImages",
    "calibrate_images",
    "exposure_times",
    "register_images",
]

# Reason of the duplicate in the ledger.
SAME_EXPOSURE = "same_exposure"
# Centres nearer than this part of the radius are one pointing.
_SAME_FIELD = 0.1


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


def exposure_times(timestep: Timestep, tolerance_s: float) -> tuple[datetime, datetime]:
    """Return the times between which exposures start that are those of a timestep's images."""
    starts = [record.metadata.time_start for record in timestep.records if record.metadata]
    tolerance = timedelta(seconds=tolerance_s)
    return min(starts) - tolerance, max(starts) + tolerance


def register_images(
    timestep: Timestep, state: CatalogueState, tolerance_s: float
) -> RegisteredImages:
    """Return the outcomes of a timestep's images.

    An image that the catalogue has from the same offset of Kafka is a replay and has no
    outcome; from another offset it is a duplicate. One that was rejected and is accepted now
    (its dead letter was redriven) counts as new. An image of the same exposure, field, band and
    Stokes parameter with other bytes (it was reduced again) is a duplicate, too: the light curve
    keeps the measurement that alerts rest on.

    Parameters
    ----------
    timestep : Timestep
        Its images in ascending frequency.
    state : CatalogueState
        Images that are stored.
    tolerance_s : float
        Exposures that start so close to each other are one [s].
    """
    known = dict(state.images)
    exposures = list(state.same_time)
    images: list[TimestepImage] = []
    entries: list[LedgerEntry] = []
    replaced: list[str] = []
    for record, band_id in zip(timestep.records, state.band_ids, strict=True):
        outcome = _outcome(record, known, is_late=timestep.is_late)
        if outcome is None:
            continue
        exposure = _to_exposure(record, band_id)
        if outcome != "duplicate" and exposure and _is_repeated(exposure, exposures, tolerance_s):
            entries.append(LedgerEntry(record, "duplicate", (SAME_EXPOSURE,)))
            continue
        entries.append(LedgerEntry(record, outcome))
        if outcome != "duplicate":
            if exposure is not None:
                exposures.append(exposure)
            images.append(TimestepImage(len(images), band_id, record))
            if record.image_id in known:
                replaced.append(record.image_id)
            known[record.image_id] = KnownImage(record.source, record.verdict)
    return RegisteredImages(tuple(images), tuple(entries), tuple(replaced))


def calibrate_images(
    registered: RegisteredImages,
    solutions: Mapping[str, ImageSolution],
    settings: AssociateSettings,
) -> RegisteredImages:
    """Return the images with their solutions applied; those too far off are rejected.

    Parameters
    ----------
    registered : RegisteredImages
        As they came.
    solutions : mapping
        By `image_id`.
    settings : AssociateSettings
        Limits of the solutions.
    """
    images = [
        replace(
            image,
            record=calibrate_image(image.record, solutions[image.record.image_id], settings),
            solution=solutions[image.record.image_id],
        )
        for image in registered.images
    ]
    refused = {
        image.record.source: image.record
        for image, before in zip(images, registered.images, strict=True)
        if image.record.verdict != before.record.verdict
    }
    entries = [
        LedgerEntry(refused[entry.record.source], "rejected")
        if entry.record.source in refused and entry.outcome != "duplicate"
        else entry
        for entry in registered.entries
    ]
    return replace(registered, images=tuple(images), entries=tuple(entries))


def _to_exposure(record: ImageDetections, band_id: int | None) -> SameTimeImage | None:
    """Return what makes an accepted image the same exposure as another; None for others."""
    metadata = record.metadata
    if record.verdict != "accepted" or metadata is None or band_id is None:
        return None
    return SameTimeImage(
        record.image_id, band_id, metadata.stokes, metadata.time_start,
        metadata.field_ra, metadata.field_dec, metadata.field_radius_deg,
    )  # fmt: skip


def _is_repeated(
    exposure: SameTimeImage, others: Sequence[SameTimeImage], tolerance_s: float
) -> bool:
    return any(
        other.image_id != exposure.image_id
        and (other.band_id, other.stokes) == (exposure.band_id, exposure.stokes)
        and abs((other.time_start - exposure.time_start).total_seconds()) <= tolerance_s
        and _is_same_field(other, exposure)
        for other in others
    )


def _is_same_field(first: SameTimeImage, second: SameTimeImage) -> bool:
    """Return whether two images show the same part of the sky, up to another cut."""
    radius_deg = min(first.field_radius_deg, second.field_radius_deg)
    ra = np.array([first.field_ra, second.field_ra])
    dec = np.array([first.field_dec, second.field_dec])
    vectors = to_unit_vectors(ra, dec)
    chord = float(np.linalg.norm(vectors[:, 0] - vectors[:, 1]))
    return chord <= 2 * math.sin(math.radians(min(_SAME_FIELD * radius_deg, 180.0)) / 2)


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
