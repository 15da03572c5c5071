"""The table of a steady run shows where latency grows."""

import pytest

from benchmarks.steady import by_part


def test_a_growing_latency_is_seen_part_by_part() -> None:
    at_s = [-5.0, *(float(second) for second in range(100))]
    summary, *parts = by_part(at_s, [9.0, *(0.01 * second for second in range(100))])
    assert (summary["n"], len(parts)) == (100, 10)
    assert all(each["n"] == 10 for each in parts[1:-1])
    medians = [each["p50_ms"] for each in parts]
    assert medians == sorted(medians)
    assert summary["p99_ms"] == pytest.approx(980, abs=10)


@pytest.mark.parametrize("at_s", [[], [-1.0], [0.0]])
def test_a_short_run_has_a_table_too(at_s: list[float]) -> None:
    found = by_part(at_s, [1.0] * len(at_s))
    assert [each["n"] for each in found[:1]] == [1] * (at_s == [0.0])
