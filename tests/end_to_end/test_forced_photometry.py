"""A transient that fades keeps its light curve: measured by force where it is not seen."""

import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.night import Stack, run, running_stack, wait_for

pytestmark = pytest.mark.timeout(600)

TIMESTEPS = 24
N_TRANSIENTS = 3
EXPIRATION_TIMESTEPS = 10  # `associate.expiration_timesteps`


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fading")
    run(
        "simulate", str(out), "--images", str(TIMESTEPS), "--size", "256", "--bands", "2",
        "--seed", "7", "--transients", str(N_TRANSIENTS),
    )  # fmt: skip
    return out


def light_curves(stack: Stack) -> list[list[dict[str, Any]]]:
    """Return the light curve of each source that was measured by force somewhere."""
    curves = []
    for source in stack.get("sources", stream="fading", limit=200)["items"]:
        points = stack.get(f"sources/{source['id']}/lightcurve")["points"]
        if any(point["extraction_type"] == "forced" for point in points):
            curves.append(points)
    return curves


def is_whole(curve: list[dict[str, Any]], times: list[str]) -> bool:
    """Return whether every band has each point from the second timestep to the expiration."""
    last_seen = max(p["time_start"] for p in curve if p["extraction_type"] == "blind")
    first = times.index(min(p["time_start"] for p in curve)) + 1
    last = times.index(last_seen) + EXPIRATION_TIMESTEPS
    n_points = Counter(p["time_start"] for p in curve)
    return all(n_points[time] == 2 for time in times[first : last + 1])


def test_what_fades_is_measured_on_also_after_a_kill(night: Path) -> None:
    with running_stack() as stack:
        run("ingest", str(night), "--stream", "fading", "--data-dir", str(stack.data_dir))
        for service in ("extract", "associate"):
            os.kill(stack.status["services"][service]["pid"], signal.SIGKILL)
        wait_for(
            lambda: stack.outcomes().get("processed") == 2 * TIMESTEPS,
            what="all images in the ledger",
        )
        images = stack.get("images", stream="fading", limit=200)["items"]
        times = sorted({image["time_start"] for image in images})
        assert len(times) == TIMESTEPS

        def all_answered() -> bool:
            curves = light_curves(stack)
            return len(curves) >= N_TRANSIENTS and all(is_whole(c, times) for c in curves)

        wait_for(all_answered, what="every missed timestep measured")
        for curve in light_curves(stack):
            places = [(point["image_id"], point["freq_eff_hz"]) for point in curve]
            assert len(places) == len(set(places))  # an image gives a source one point
            for point in curve:
                assert point["flux_peak_err_jy_beam"] > 0
                if point["extraction_type"] == "forced":
                    # It faded: what is left is far below what was detected.
                    assert abs(point["flux_peak_jy_beam"]) < 12 * point["flux_peak_err_jy_beam"]
