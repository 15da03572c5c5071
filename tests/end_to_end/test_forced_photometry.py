"""Forced photometry: what fades is measured on, an artefact of one band is retracted."""

import hashlib
import io
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from lxml import etree
from scipy.ndimage import maximum_filter

from tests.support.night import (
    LONG_WAIT,
    RunServers,
    Stack,
    run_forked,
    separation_arcsec,
    wait_for,
)
from tests.support.voevent import cited_ivorns, read_packet

pytestmark = pytest.mark.timeout(1200)

TIMESTEPS, BANDS = 24, 2
N_TRANSIENTS = 3
EXPIRATION_TIMESTEPS = 10  # `associate.expiration_timesteps`

N_TIMESTEPS_OF_ARTEFACT = 12
ARTEFACT_TIMESTEP = 8
ARTEFACT_JY_BEAM = 0.6  # 50 times the noise
ARTEFACT_FWHM_PX = 4.5  # the beam is 5 by 4
BORDER_PX = 40


@pytest.fixture(scope="module")
def stack(servers: RunServers) -> Iterator[Stack]:
    with servers.stack(**LONG_WAIT) as started:
        yield started


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fading")
    run_forked(
        "simulate", str(out), "--images", str(TIMESTEPS), "--size", "256", "--bands", str(BANDS),
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
    curve = [point for point in curve if point["extraction_type"] != "lookback"]
    last_seen = max(p["time_start"] for p in curve if p["extraction_type"] == "blind")
    first = times.index(min(p["time_start"] for p in curve)) + 1
    last = times.index(last_seen) + EXPIRATION_TIMESTEPS
    n_points = Counter(p["time_start"] for p in curve)
    return all(n_points[time] == BANDS for time in times[first : last + 1])


def test_what_fades_is_measured_on_also_after_a_kill(stack: Stack, night: Path) -> None:
    run_forked("ingest", str(night), "--stream", "fading", "--data-dir", str(stack.data_dir))
    for service in ("extract", "associate"):
        os.kill(stack.status["services"][service]["pid"], signal.SIGKILL)
    wait_for(
        lambda: stack.outcomes("fading").get("processed") == BANDS * TIMESTEPS,
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
    check_stamps(stack)


def check_stamps(stack: Stack) -> None:
    """Wait until each transient has its stamps, and compare their files with the list."""
    transients = stack.get("transients", stream="fading", limit=200)["items"]
    assert len(transients) >= N_TRANSIENTS

    def all_cut() -> list[dict[str, Any]]:
        found = [
            stamp
            for source in {each["source_id"] for each in transients}
            for stamp in stack.get(f"sources/{source}/stamps")["items"]
        ]
        now = {each["trig_id"] for each in found if each["role"] == "now"}
        is_whole = now == {each["trig_id"] for each in transients}
        return found if is_whole and all(each["state"] != "waiting" for each in found) else []

    for stamp in wait_for(all_cut, what="the stamps of every transient"):
        assert stamp["reason"] in (None, "no_earlier_image")
        if stamp["sha256"] is None:
            continue
        answer = httpx.get(f"{stack.api}/stamps/{stamp['id']}", params={"format": "fits"})
        data = answer.raise_for_status().content
        assert hashlib.sha256(data).hexdigest() == stamp["sha256"]
        with fits.open(io.BytesIO(data)) as hdus:
            assert hdus[1].data.shape == (65, 65)
            assert hdus[1].header["IMAGEID"] == stamp["image_id"]


def empty_place(night: Path) -> tuple[int, int]:
    """Return the pixel (y, x) around which the sky is darkest all night long."""
    brightest = np.max([fits.getdata(path) for path in night.glob("*.fits")], axis=0)
    around = maximum_filter(brightest, size=31)
    inside = around[BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX]
    y, x = np.unravel_index(np.argmin(inside), inside.shape)
    return int(y) + BORDER_PX, int(x) + BORDER_PX


def add_artefact(path: Path, y: int, x: int) -> tuple[float, float]:
    """Put a point source into one image; return its place, ICRS [deg]."""
    with fits.open(path, mode="update") as hdus:
        pixels = hdus[0].data
        rows, columns = np.indices(pixels.shape)
        squared = ((rows - y) ** 2 + (columns - x) ** 2) / ARTEFACT_FWHM_PX**2
        pixels += (ARTEFACT_JY_BEAM * np.exp(-4 * np.log(2) * squared)).astype(pixels.dtype)
        ra, dec = WCS(hdus[0].header).pixel_to_world_values(x, y)
    return float(ra), float(dec)


def packet_of(stack: Stack, alert: dict[str, Any]) -> etree._Element:
    answer = httpx.get(f"{stack.api}/alerts/{alert['id']}", headers={"Accept": "application/xml"})
    return read_packet(answer.raise_for_status().content)


def test_an_artefact_of_one_band_is_retracted(stack: Stack, tmp_path: Path) -> None:
    night = tmp_path / "night"
    run_forked(
        "simulate", str(night), "--images", str(N_TIMESTEPS_OF_ARTEFACT), "--size", "256",
        "--bands", str(BANDS), "--seed", "7", "--transients", "2",
    )  # fmt: skip
    low, high = sorted(night.glob(f"*_{ARTEFACT_TIMESTEP:06d}_*.fits"))
    place = add_artefact(low, *empty_place(night))
    run_forked("ingest", str(night), "--stream", "artefact", "--data-dir", str(stack.data_dir))
    wait_for(
        lambda: stack.outcomes("artefact").get("processed") == N_TIMESTEPS_OF_ARTEFACT * BANDS,
        what="all images processed",
    )

    def retractions() -> list[dict[str, Any]]:
        return [
            each
            for each in stack.alerts()
            if each["alert_type"] == "retraction" and "/artefact#" in each["ivorn"]
        ]

    (retraction,) = wait_for(retractions, what="a retraction")
    assert separation_arcsec(*place, retraction["ra"], retraction["dec"]) < 30
    initial, *others = [
        each
        for each in stack.alerts()
        if each["trig_id"] == retraction["trig_id"] and each != retraction
    ]
    assert (initial["alert_type"], others) == ("initial", [])

    packet = packet_of(stack, retraction)
    assert cited_ivorns(packet) == {"retraction": [initial["ivorn"]]}
    high_mhz = fits.getheader(high)["RESTFRQ"] / 1e6
    assert f"forced photometry at {high_mhz:.1f} MHz" in (packet.findtext("Why/Description") or "")

    stack.wait_until_decided()
    kept = stack.get(
        "transients", stream="artefact", state="active", kind="new_source", limit=100
    )["items"]
    assert kept  # what the sky really did stands
    retracted = stack.get("transients", stream="artefact", state="retracted", limit=100)["items"]
    assert [each["source_id"] for each in retracted] == [retraction["source_id"]]
