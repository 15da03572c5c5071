"""The harness of faults and soak: its schedule, its comparison of rows, its fitted lines."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.process_samples import Sample, fit_slope
from tests.faults.report import Side, judge, render
from tests.faults.rows import compare
from tests.faults.schedule import Fault, count_by_victim, make_schedule
from tests.support.stack_processes import SERVICES


@given(seed=st.integers(0, 1000), n_signals=st.integers(1, 400))
def test_a_seed_gives_one_schedule_that_reaches_every_service(seed: int, n_signals: int) -> None:
    schedule = make_schedule(seed, n_signals=n_signals, run_s=900.0)
    assert schedule == make_schedule(seed, n_signals=n_signals, run_s=900.0)
    assert schedule == sorted(schedule)
    assert all(0 <= fault.at_s < 900.0 for fault in schedule)
    to_services = [fault for fault in schedule if fault.victim in SERVICES]
    assert len(to_services) == n_signals
    counts = count_by_victim(to_services)
    numbers = [sum(counts.get(each, {}).values()) for each in SERVICES]
    assert max(numbers) - min(numbers) <= 1


def test_a_schedule_has_every_outage() -> None:
    schedule = make_schedule(1, n_signals=300, run_s=900.0, freeze_s=99.0)
    counts = count_by_victim(schedule)
    assert counts["kafka"] == {"kill": 2, "stop": 1, "terminate": 1}
    assert counts["postgres"] == {"kill": 2, "terminate": 1, "stop": 1}
    assert counts["data folder"] == {"fill_disk": 1}
    frozen = [each for each in schedule if (each.victim, each.kind) == ("kafka", "stop")]
    assert [each.duration_s for each in frozen] == [99.0]


def test_rows_are_compared_by_key_and_to_rounding() -> None:
    expected = {("a",): (1.0, None), ("b",): (2.0, "x"), ("c",): (3.0, "y")}
    found = {("a",): (1.0 + 1e-13, None), ("b",): (2.1, "x"), ("d",): (3.0, "y")}
    difference = compare(expected, found)
    assert difference.missing == ["('c',): (3.0, 'y')"]
    assert difference.extra == ["('d',): (3.0, 'y')"]
    assert difference.differing == ["('b',): (2.0, 'x') became (2.1, 'x')"]
    assert difference.n == 3


def side(heard: list[str], *, n_booked: int = 8) -> Side:
    tables = {"images": {("i",): (1,)}}
    return Side(8, n_booked, 0, tables, Counter(["a", "b"]), Counter(["a", "b"]), heard)


def test_equal_runs_have_lost_nothing() -> None:
    outcome = judge(side(["a", "b"]), side(["a", "b"]), [], seed=1)
    assert outcome.is_equal
    assert "lost 0, twice 0, differing rows 0" in render(outcome)


@pytest.mark.parametrize(
    ("disturbed", "lost", "twice"),
    [
        (side(["a"]), 1, 0),
        (side(["a", "b", "b"]), 0, 1),
        (side(["a", "b"], n_booked=7), 1, 0),
        (side(["a", "b"], n_booked=9), 1, 0),
    ],
)
def test_what_is_lost_or_twice_is_counted(disturbed: Side, lost: int, twice: int) -> None:
    outcome = judge(side(["a", "b"]), disturbed, [], seed=1)
    assert (outcome.n_lost, outcome.n_twice, outcome.is_equal) == (lost, twice, False)


def test_vtp_may_repeat_the_alert_in_hand_of_a_dying_server() -> None:
    killed = [Fault(1.0, "kill", "distribute")]
    assert judge(side(["a", "b"]), side(["a", "a", "b"]), killed, seed=1).n_twice == 0


@given(slope=st.floats(-50, 50), seed=st.integers(0, 100))
def test_the_slope_of_a_noisy_line_is_within_its_error(slope: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    times_s = np.arange(0, 3600, 5.0)
    memory_mb = 200 + slope * times_s / 3600 + rng.normal(0, 1, times_s.size)
    samples = [
        Sample(float(t), float(m), float(m), 10, 1, 1, 0.0)
        for t, m in zip(times_s, memory_mb, strict=True)
    ]
    line = fit_slope(samples, "rss_mb", after_s=600.0)
    assert abs(line.per_hour - slope) < 5 * line.err_per_hour
    assert line.err_per_hour < 1.0
    assert abs(fit_slope(samples, "n_fds", after_s=600.0).per_hour) < 1e-9


def test_too_few_samples_have_no_slope() -> None:
    samples = [Sample(1.0, 5.0, 5.0, 10, 1, 1, 0.0)] * 3
    line = fit_slope(samples, "rss_mb", after_s=0.0)
    assert np.isnan(line.per_hour)
    assert line.mean == 5.0
