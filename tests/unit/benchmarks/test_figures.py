"""What the table and the JSON of a benchmark say, and when a latency has recovered."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.bench import extraction_figures
from benchmarks.figures import Figure, read_older, to_json, to_table
from benchmarks.interruption import recovery_s
from runtime.errors import SettingsError

FIGURES = [
    Figure("throughput", "images/s", (10.0, 14.0, 12.0), is_higher_better=True),
    Figure("latency, p50", "ms", (70.0, math.nan, 90.0, 80.0)),
    Figure("alerts", "-", (math.nan,)),
]


def test_a_table_has_the_medians_and_the_load() -> None:
    load, _, head, throughput, latency, alerts = to_table(FIGURES, load=(0.5, 2.0)).splitlines()
    assert load == "load 0.50 before, 2.00 after"
    assert head.split() == ["figure", "median", "least", "most", "unit", "rounds"]
    assert throughput.split() == ["throughput", "12", "10", "14", "images/s", "3"]
    assert latency.split()[2:] == ["80", "70", "90", "ms", "4"]
    assert alerts.split()[1] == "nan"


def test_a_comparison_says_better_and_worse_beyond_noise(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    older = [
        Figure("throughput", "images/s", (10.0,)),
        Figure("latency, p50", "ms", (78.0,)),
        Figure("gone", "ms", (1.0,)),
    ]
    path.write_text(to_json(older, load=(0.0, 0.0)))
    lines = to_table(FIGURES, load=(0, 0), older=read_older(path)).splitlines()[3:]
    assert lines[0].split()[-3:] == ["10", "+20.0%", "better"]
    assert lines[1].split()[-2:] == ["78", "+2.6%"]
    assert lines[2].split()[-2:] == ["-", "-"]
    worse = [Figure("throughput", "images/s", (8.0,), is_higher_better=True)]
    assert to_table(worse, load=(0, 0), older=read_older(path)).endswith("-20.0% worse")


def test_json_is_strict_and_has_all_rounds() -> None:
    report = json.loads(to_json(FIGURES, load=(1.0, 2.0), cores=2))
    assert (report["cores"], report["load"]) == (2, [1.0, 2.0])
    assert report["figures"][1]["rounds"] == [70.0, None, 90.0, 80.0]
    assert report["figures"][2]["median"] is None


@pytest.mark.parametrize("text", ["", "[]", '{"figures": [{}]}', '{"figures": 3}'])
def test_what_is_no_report_is_refused_in_words(text: str, tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"--compare .*old\.json is not the JSON"):
        read_older(path)


def test_extraction_is_compared_within_each_round() -> None:
    times = {"livetrap": [0.01, 0.02], "sep": [0.05, 0.08]}
    table = {name: [{"cpu_s": each} for each in values] for name, values in times.items()}
    score = {
        "completeness_8": 0.99, "reliability_5": 1.0, "position_ratio": 1.05, "peak_bias": 0.002,
    }  # fmt: skip
    report = {"times": {"512": {"file": table}}, "scores": {"points": {"livetrap": score}}}
    figures = {each.name: each for each in extraction_figures(report)}
    assert figures["extract, 512 px from file"].rounds == (10.0, 20.0)
    assert figures["sep over extract, 512 px from file"].rounds == pytest.approx((5.0, 4.0))
    assert figures["bias of the peak, absolute, points"].median == pytest.approx(0.2)


@given(backlog_s=st.floats(0, 30), slope=st.floats(0.05, 5), rate=st.integers(2, 20))
def test_the_latency_has_recovered_when_the_backlog_is_gone(
    backlog_s: float, slope: float, rate: int
) -> None:
    at_s = np.arange(0, 240, 1 / rate)
    extra = np.where(at_s < 60, 0, np.maximum(0, backlog_s - slope * np.maximum(0, at_s - 90)))
    found = recovery_s(at_s, 0.05 + extra, stopped_s=60, resumed_s=90)
    gone_s = backlog_s / slope
    if gone_s > 150:
        assert found is None
    elif found is None:
        assert gone_s > 140
    else:
        assert gone_s - 5 <= found <= gone_s + 5


def test_without_images_before_nothing_can_be_said() -> None:
    with pytest.raises(ValueError, match="no image came"):
        recovery_s([70.0], [1.0], stopped_s=60, resumed_s=90)
