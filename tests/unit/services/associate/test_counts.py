"""The metrics of committed timesteps: images by outcome, and when each stream's newest came."""

import time
from collections.abc import Iterator

import pytest
from prometheus_client import REGISTRY

from services.associate.handlers import counts
from services.associate.handlers.counts import TimestepCounts
from services.associate.metrics import NEWEST_IMAGE
from services.associate.models.timesteps import LedgerEntry
from tests.support.records import image

NAME = "livetrap_associate_newest_image_timestamp_seconds"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    now = [1000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    NEWEST_IMAGE.clear()
    yield now
    NEWEST_IMAGE.clear()


def entry(stream: str, outcome: str = "processed") -> LedgerEntry:
    return LedgerEntry(image(0, stream=stream), outcome)


def newest(stream: str) -> float | None:
    return REGISTRY.get_sample_value(NAME, {"stream": stream})


def n_images(outcome: str) -> float:
    return REGISTRY.get_sample_value(
        "livetrap_associate_images_total", {"outcome": outcome}
    ) or 0.0  # fmt: skip


def test_the_newest_image_of_each_stream_is_noted_whatever_became_of_it(
    clock: list[float],
) -> None:
    made = TimestepCounts()
    n_rejected = n_images("rejected")
    made.add([entry("night"), entry("night")])
    clock[0] = 1010.0
    made.add([entry("day", "rejected")])
    assert (newest("night"), newest("day")) == (1000.0, 1010.0)
    assert n_images("rejected") == n_rejected + 1


def test_streams_do_not_grow_without_bound(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    monkeypatch.setattr(counts, "_MOST_STREAMS", 3)
    made = TimestepCounts()
    for number in range(6):
        clock[0] += 1
        made.add([entry("always"), entry(f"invented {number}")])
    assert newest("always") == clock[0]
    assert [newest(f"invented {number}") is not None for number in range(6)] == 4 * [False] + [
        True, True
    ]  # fmt: skip
