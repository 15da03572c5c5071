"""What fails a run of the overload: loss, order, memory, and a status that lies."""

import math
from typing import Any

import pytest

from benchmarks.overload import Observed, failures, growth_mb
from benchmarks.process_samples import Sample

GOOD: dict[str, Any] = {
    "sent": 10,
    "booked": 10,
    "outcomes": {"processed": 10},
    "out_of_order": 0,
    "alerts_lost": 0,
    "alerts_twice": 0,
    "is_worked_off": True,
    "growth_mb": {"extract": 300.0},
    "status": [{}],
    "status_wrong": 0,
    "status_failures": [],
    "latency_before_s": {"p50": 0.5},
    "latency_after_s": {"p50": 0.6},
}
LOOK = {"ready": True, "images_waiting": 5, "least_waiting": 4, "most_waiting": 6}


def sample(rss_mb: float, pss_mb: float) -> Sample:
    return Sample(0.0, rss_mb, pss_mb, 1, 1, 1, 0.0)


def test_a_good_run_passes() -> None:
    assert failures(GOOD) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"booked": 9}, "1 images lost"),
        ({"outcomes": {"processed": 9, "late": 1}}, "outcomes"),
        ({"out_of_order": 2}, "2 timesteps out of order"),
        ({"alerts_lost": 1}, "1 alerts lost"),
        ({"alerts_twice": 3}, "3 alerts twice"),
        ({"is_worked_off": False}, "not worked off"),
        ({"growth_mb": {"extract": 300.0, "Kafka": 900.0}}, "memory of Kafka"),
        ({"growth_mb": {"associate": math.nan}}, "memory of associate"),
        ({"status": []}, "never asked"),
        ({"status_wrong": 1}, "status was wrong 1 times"),
        ({"status_failures": ["TimeoutError()"]}, "status failed"),
        ({"latency_after_s": {"p50": 9.0}}, "latency 0.50 s before, 9.00 s after"),
    ],
)
def test_each_fault_of_a_run_is_named(change: dict[str, Any], words: str) -> None:
    (failure,) = failures(GOOD | change)
    assert words in failure


@pytest.mark.parametrize(
    ("change", "n_wrong"),
    [
        ({}, 0),
        ({"images_waiting": 7}, 1),
        ({"images_waiting": 3}, 1),
        ({"images_waiting": None}, 1),
        ({"ready": False}, 1),
    ],
)
def test_a_status_that_lies_is_counted(change: dict[str, Any], n_wrong: int) -> None:
    assert Observed([LOOK | change]).n_wrong() == n_wrong


def test_growth_counts_shared_pages_by_their_share_where_that_is_known() -> None:
    assert growth_mb([sample(100, 50), sample(900, 80), sample(200, 60)]) == 30
    assert growth_mb([sample(100, math.nan), sample(900, math.nan)]) == 800
