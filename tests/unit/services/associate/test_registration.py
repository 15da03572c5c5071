"""The outcome of each image: also of one that was reduced again."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from schemas.messages import ImageDetections, SourceOffset
from services.associate.models.catalogue import SOURCE_DTYPE, CatalogueState
from services.associate.models.timesteps import KnownImage, SameTimeImage, Timestep
from services.associate.steps.registration import SAME_EXPOSURE, register_images
from tests.support.records import image, rejected
from tests.unit.services.associate.test_windows import arrival

TOLERANCE_S = 0.5


def register(
    *records: ImageDetections, same_time: tuple[SameTimeImage, ...] = (), **known: KnownImage
) -> list[tuple[str, tuple[str, ...]]]:
    """Return outcome and reasons of each record."""
    arrivals = tuple(arrival(record, number) for number, record in enumerate(records))
    start = records[0].metadata.time_start if records[0].metadata else None
    state = CatalogueState(
        stream_id=1, bands={}, band_ids=[7 if each.metadata else None for each in records],
        images=known, same_time=same_time, sources=np.zeros(0, SOURCE_DTYPE), statistics={},
    )  # fmt: skip
    done = register_images(Timestep("test", start, arrivals), state, TOLERANCE_S)
    return [(entry.outcome, entry.reasons) for entry in done.entries]


def again(record: ImageDetections, **changes: object) -> ImageDetections:
    """Return the same exposure with other bytes, and other metadata where that is asked."""
    assert record.metadata is not None
    metadata = replace(record.metadata, **changes)
    return replace(record, image_id="f" * 64, metadata=metadata, source=other_place())


def other_place() -> SourceOffset:
    return SourceOffset("cluster", "images-v1", 5, 999)


def exposure_of(record: ImageDetections) -> SameTimeImage:
    assert record.metadata is not None
    return SameTimeImage(
        record.image_id, 7, record.metadata.stokes, record.metadata.time_start,
        record.metadata.field_ra, record.metadata.field_dec, record.metadata.field_radius_deg,
    )  # fmt: skip


def test_an_exposure_that_was_reduced_again_is_a_duplicate() -> None:
    first = image(1)
    assert register(again(first), same_time=(exposure_of(first),)) == [
        ("duplicate", (SAME_EXPOSURE,))
    ]


def test_of_two_reductions_in_one_timestep_the_first_counts() -> None:
    first = image(1)
    assert register(first, again(first)) == [("processed", ()), ("duplicate", (SAME_EXPOSURE,))]


@pytest.mark.parametrize(
    "changes",
    [
        {"stokes": "V"},
        {"field_ra": 150.0},
        {"field_dec": -10.0},
        {"time_start": image(1).metadata.time_start + timedelta(seconds=1)},  # type: ignore[union-attr]
    ],
)
def test_another_exposure_counts(changes: dict[str, object]) -> None:
    first = image(1)
    assert register(again(first, **changes), same_time=(exposure_of(first),)) == [
        ("processed", ())
    ]


def test_the_same_bytes_again_are_a_duplicate_and_a_replay_is_nothing() -> None:
    first = image(1)
    stored = KnownImage(first.source, "accepted")
    assert register(first, **{first.image_id: stored}) == []
    moved = replace(first, source=other_place())
    assert register(moved, **{first.image_id: stored}) == [("duplicate", ())]


def test_a_rejected_image_is_no_exposure() -> None:
    assert register(rejected(image(2)), image(1)) == [("rejected", ()), ("processed", ())]
