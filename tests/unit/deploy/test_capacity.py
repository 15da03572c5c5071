"""What a stream takes of a cluster follows from the costs of an image."""

from dataclasses import replace

import pytest

from benchmarks.capacity import render
from benchmarks.capacity_model import Cost, Instrument, Measured, find_need, fit_costs

NAMES = ("extract", "associate", "alert", "distribute", "api", "kafka", "postgres")
SMALL = Measured(1000, 10, dict.fromkeys(NAMES, 0.03), dict.fromkeys(NAMES, 0.01))  # 4 MB
LARGE = Measured(2000, 10, dict.fromkeys(NAMES, 0.09), dict.fromkeys(NAMES, 0.03))  # 16 MB
AARTFAAC = Instrument("AARTFAAC-12", size_px=2300, n_bands=16, cadence_s=1.0)


def test_costs_are_a_line_through_both_sizes() -> None:
    cost = fit_costs(SMALL, LARGE)["extract"]
    assert cost.per_mb_s == pytest.approx(0.005)
    assert cost.fixed_s == pytest.approx(0.01)
    assert cost.cores(images_per_s=1.0, image_mb=4.0) == pytest.approx(0.02 + 0.03)
    assert cost.cores(images_per_s=2.0, image_mb=16.0) == pytest.approx(0.02 + 2 * 0.09)


def test_no_process_gains_from_larger_images() -> None:
    cost = fit_costs(replace(LARGE, size_px=1000), replace(SMALL, size_px=2000))["kafka"]
    assert cost == Cost(fixed_s=pytest.approx(0.06), per_mb_s=0.0, idle_cores=pytest.approx(0.02))


def test_an_image_never_gives_time_back() -> None:
    cost = Cost(fixed_s=-1.0, per_mb_s=0.01, idle_cores=0.1)
    assert cost.cores(images_per_s=5.0, image_mb=1.0) == 0.1


def test_the_need_of_aartfaac() -> None:
    need = find_need(
        AARTFAAC, fit_costs(SMALL, LARGE), keys=[*range(14), 0, 1], retention_bytes=1 << 30
    )
    assert need.mb_per_s == pytest.approx(16 * 21.16)
    # 16 images of 10 ms and 5 ms a MB, and an idle process.
    assert need.cores["extract"] == pytest.approx(0.02 + 16 * (0.01 + 0.1058))
    assert need.n_extract_pods == 4
    # Three copies on three brokers: each takes all there is.
    assert need.broker_in_gbit_s == pytest.approx(16 * 21.16 * 8 / 1000)
    # Two bands on the fullest partition.
    assert need.buffer_s == pytest.approx((1 << 30) / (2 * 21.16e6))
    assert need.retention_bytes == pytest.approx(900 * 2 * 21.16e6)
    assert need.buffer_gb == pytest.approx(304.7, abs=0.1)


def test_less_than_an_idle_process_is_nothing() -> None:
    below = replace(SMALL, cost_s=SMALL.cost_s | {"api": -0.002})
    assert "| api | 0.0 | 90.0 |" in render([below, LARGE], load=[1.0])


def test_the_tables_have_every_process_and_instrument() -> None:
    text = render([SMALL, LARGE], load=[1.0, 2.0])
    assert all(f"| {name} | 30.0 | 90.0 | 5.00 | 0.020 |" in text for name in NAMES)
    [head] = [line for line in text.splitlines() if line.startswith("| |")]
    assert "AARTFAAC-12" in head
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert {line.count("|") for line in rows[1 + len(NAMES) :]} == {head.count("|")}
