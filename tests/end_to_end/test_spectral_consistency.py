"""An artefact of one band is alerted at once, and retracted when the other band is measured."""

from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from lxml import etree
from scipy.ndimage import maximum_filter

from tests.support.night import Stack, run, running_stack, separation_arcsec, wait_for
from tests.support.voevent import cited_ivorns, read_packet

pytestmark = pytest.mark.timeout(600)

TIMESTEPS, BANDS = 12, 2
ARTEFACT_TIMESTEP = 8
ARTEFACT_JY_BEAM = 0.6  # 50 times the noise
ARTEFACT_FWHM_PX = 4.5  # the beam is 5 by 4
BORDER_PX = 40


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("artefact")
    run(
        "simulate", str(out), "--images", str(TIMESTEPS), "--size", "256", "--bands", str(BANDS),
        "--seed", "7", "--transients", "2",
    )  # fmt: skip
    return out


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


def test_an_artefact_of_one_band_is_retracted(night: Path) -> None:
    low, high = sorted(night.glob(f"*_{ARTEFACT_TIMESTEP:06d}_*.fits"))
    place = add_artefact(low, *empty_place(night))
    with running_stack() as stack:
        run("ingest", str(night), "--stream", "night", "--data-dir", str(stack.data_dir))
        wait_for(
            lambda: stack.outcomes().get("processed") == TIMESTEPS * BANDS,
            what="all images processed",
        )

        def retractions() -> list[dict[str, Any]]:
            return [each for each in stack.alerts() if each["alert_type"] == "retraction"]

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
        assert f"forced photometry at {high_mhz:.1f} MHz" in (
            packet.findtext("Why/Description") or ""
        )

        kept = stack.get("transients", state="active", kind="new_source", limit=100)["items"]
        assert kept  # what the sky really did stands
        taken_back = stack.get("transients", state="retracted", limit=100)["items"]
        assert [each["source_id"] for each in taken_back] == [retraction["source_id"]]
