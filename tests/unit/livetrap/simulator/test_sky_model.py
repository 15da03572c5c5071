"""Populations keep their promises: distances, signal-to-noise ratios, quiet start."""

import dataclasses
import itertools
import math

import numpy as np
import pytest

from livetrap.simulator.config import QUIET_TIMESTEPS, SimulatorConfig, lofar_bands_hz
from livetrap.simulator.sky_model import SkyModel
from livetrap.simulator.truth import TruthRow, TruthTable, truth
from runtime.errors import SettingsError


@pytest.fixture(params=[1, 2, 3])
def rows(request: pytest.FixtureRequest) -> list[TruthRow]:
    return truth(SimulatorConfig(images=60, size=512, seed=request.param))


def _snrs(config: SimulatorConfig, row: TruthRow) -> list[float]:
    return [f / r for f, r in zip(row.flux_peak_jy_beam, config.rms_by_band_jy_beam, strict=True)]


def test_sources_keep_four_beams_apart_and_off_the_edge(rows: list[TruthRow]):
    for one, other in itertools.combinations(rows, 2):
        assert math.hypot(one.x_px - other.x_px, one.y_px - other.y_px) > 4 * 5.0
    assert all(20 <= p <= 491 for row in rows for p in (row.x_px, row.y_px))


def test_transients_wait_for_the_catalogue_and_are_bright_in_every_band(rows: list[TruthRow]):
    transients = [row for row in rows if row.is_transient]
    assert {row.kind for row in transients} == {"fast_transient", "slow_transient"}
    for row in transients:
        assert row.timestep_first is not None
        assert row.timestep_last is not None
        assert QUIET_TIMESTEPS <= row.timestep_first <= row.timestep_peak <= row.timestep_last
        assert row.timestep_last < 60
        assert row.snr_peak_min > 11.999
    fast = [row for row in transients if row.kind == "fast_transient"]
    assert all(row.timestep_last - row.timestep_first <= 2 for row in fast)


def test_no_source_flickers_at_the_threshold(rows: list[TruthRow]):
    config = SimulatorConfig()
    assert all(row.snr_peak_min > 11.999 for row in rows if row.kind in ("steady", "variable"))
    assert all(max(_snrs(config, row)) < 3.001 for row in rows if row.kind == "faint")


def test_variables_never_sink_below_detection():
    config = SimulatorConfig(size=512, n_variable=20)
    sources = [s for s in SkyModel(config).persistent if s.kind == "variable"]
    for source in sources:
        factors = [source.light_curve.factor(t) for t in range(200)]
        assert min(factors) >= 0.4
        assert max(factors) - min(factors) > 0.3
        assert source.flux_jy(124e6, 0) / config.rms_by_band_jy_beam[0] > 12


def test_faint_fills_the_threshold_region():
    rows = truth(SimulatorConfig(faint=True, n_faint=12))
    faint = [row.snr_peak_min for row in rows if row.kind == "faint"]
    assert all(3.999 < snr < 12.001 for snr in faint)


def test_steady_counts_are_euclidean():
    config = SimulatorConfig(size=2048, n_steady=2000, n_variable=0, n_faint=0)
    snrs = [row.snr_peak_min for row in truth(config) if row.kind == "steady"]
    n_half = sum(snr > 24 for snr in snrs)
    assert n_half / len(snrs) == pytest.approx(2**-1.5, abs=0.04)


def test_endless_runs_go_on_with_new_transients_at_new_places():
    config = SimulatorConfig(images=0, size=512)
    table = TruthTable(config)
    one, other = table.transients(0), table.transients(1)
    assert len(one) == len(other) > 0
    assert not {row.source_number for row in one} & {row.source_number for row in other}
    assert not {(row.x_px, row.y_px) for row in one} & {(row.x_px, row.y_px) for row in other}
    assert all(100 <= row.timestep_first < 200 for row in other if row.timestep_first is not None)
    assert all(row.timestep_last is None for row in table.persistent())


def test_a_place_is_new_for_hours_and_alone_while_it_shines():
    config = SimulatorConfig(images=0, size=256)
    sky = SkyModel(config)
    sources = [source for block in range(50) for source in sky.transients(block)]
    places = np.array([(source.y_px, source.x_px) for source in sources])
    apart_beams = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1)) / 5.0
    np.fill_diagonal(apart_beams, np.inf)
    assert len(places) == 400
    assert apart_beams.min() >= 1.49
    rank = np.arange(len(places))
    soon = np.abs(rank[:, None] - rank[None]) < 2 * sky.n_transient
    assert apart_beams[soon].min() >= 3.0


def test_a_slow_transient_shines_on_in_the_next_block():
    config = SimulatorConfig(images=0, size=512)
    sky = SkyModel(config)
    late = max(sky.transients(0), key=lambda source: source.last or 0)
    assert late.last is not None
    assert late.last >= 100
    assert late in sky.sources_at(late.last)
    assert late not in sky.sources_at(late.last + 1)


def test_a_short_run_has_no_transients():
    assert not any(row.is_transient for row in truth(SimulatorConfig(images=5)))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"n_steady": 500}, "larger size"),
        ({"images": 5, "n_transient": 1}, "more images"),
        ({"size": 255}, "even"),
        ({"cadence_s": 0.0}, "cadence"),
        ({"bands_hz": ()}, "band"),
        ({"bands_hz": (149e6, 149.1e6)}, "MHz"),
        ({"field": "nowhere"}, "field"),
        ({"n_variable": -1}, "negative"),
    ],
)
def test_senseless_configs_are_refused(changes: dict[str, object], reason: str):
    with pytest.raises(SettingsError, match=reason):
        SkyModel(dataclasses.replace(SimulatorConfig(), **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("n_bands", [1, 4, 5, 32])
def test_bands_are_distinct_and_rising(n_bands: int):
    bands_hz = lofar_bands_hz(n_bands)
    assert len(bands_hz) == n_bands
    assert list(bands_hz) == sorted(set(bands_hz))
