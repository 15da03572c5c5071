"""Answers of the API about a small night that is always the same."""

from datetime import timedelta
from typing import Any

import httpx

from runtime.settings import AlertSettings
from schemas.messages import ImageDetections
from services.alert.steps.alert import build_alert
from services.alert.storage import AlertStore
from tests.support.api_rows import rows_of
from tests.support.api_service import client_of
from tests.support.association import Associator, associator
from tests.support.golden import Golden, to_json_text
from tests.support.records import START, image, sources
from tests.support.vtp_events import DECISION

STEADY, NEW = (123.0, 10.0), (123.4, 10.2)
BANDS_HZ = (140e6, 160e6)
TIME_ALERT = START + timedelta(days=10)
# When the test ran; all else is the night's.
MASKED = {"time_associated", "time_detected", "time_published", "time_broadcast"}
ANSWERS = {
    "transients": "/transients",
    "transient": "/transients/1",
    "sources": "/sources?sort=id",
    "source": "/sources/2",
    "lightcurve": "/sources/2/lightcurve",
    "images": "/images?limit=2",
    "alerts": "/alerts",
    "ledger": "/ledger",
    "no_source": "/sources/999",
    "wrong_parameter": "/sources?min_snrr=5",
}


async def observe(night: Associator) -> None:
    """Associate six timesteps; a second source appears in the fourth."""
    for step in range(6):
        fluxes_jy = {STEADY: 0.02 + 0.001 * step} | ({NEW: 0.01 * step} if step >= 3 else {})
        await night.feed(
            *(image_of(step, fluxes_jy, freq_eff_hz=freq_eff_hz) for freq_eff_hz in BANDS_HZ)
        )


def image_of(
    step: int, fluxes_jy: dict[tuple[float, float], float], *, freq_eff_hz: float
) -> ImageDetections:
    """Return the record of one band; the spectral index is -1."""
    scaled = [flux_jy * BANDS_HZ[0] / freq_eff_hz for flux_jy in fluxes_jy.values()]
    return image(step, sources(list(fluxes_jy), flux_jy=scaled), freq_eff_hz=freq_eff_hz)


async def alert(night: Associator) -> None:
    """Store an alert for each event."""
    settings = AlertSettings(authority="org.test")
    async with AlertStore(night.pool).transaction(len(night.events)) as stored:
        for event in night.events:
            revision = (await stored.get_alert_history(event)).revision
            built = build_alert(event, settings, DECISION, TIME_ALERT, revision=revision)
            await stored.add(built, {})


async def test_answers_are_the_golden_ones(postgres_url: str, golden: Golden) -> None:
    async with associator(postgres_url, name="night") as night:
        await observe(night)
        await alert(night)
    # Else some answers depend on whether the API has copied statistics already.
    async with rows_of(postgres_url) as rows:
        await rows.copy_statistics()
    async with client_of(postgres_url) as client:
        for name, path in ANSWERS.items():
            answer = await client.get(f"/api/v1{path}")
            golden.check(f"api/{name}.json", to_json_text(describe(answer), masked=MASKED))
        table = await client.get("/api/v1/sources/2/lightcurve", params={"format": "csv"})
        golden.check("api/lightcurve.csv", table.text)


def describe(answer: httpx.Response) -> dict[str, Any]:
    return {
        "status": answer.status_code,
        "content_type": answer.headers["content-type"],
        "body": answer.json(),
    }
