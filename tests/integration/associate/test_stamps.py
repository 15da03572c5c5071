"""Stamps of a burst: asked for after its event, cut from images on Kafka, shown by the API."""

import io
import struct
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import numpy as np
import pytest
from astropy.io import fits

from api.storage import pixels
from runtime.errors import RejectedMessageError
from runtime.kafka import InMessage
from runtime.settings import Settings
from schemas.codec import encode_image_stamps
from schemas.messages import ImageStamps, SourceOffset, StampFile
from schemas.topics import Topics
from services.associate.handlers.stamps import StampHandler
from services.associate.steps.stamps import plan_stamps
from services.associate.storage import CatalogueStore
from sky.celestial_frame import parse_wcs
from tests.support.api_service import client_of
from tests.support.association import CASE, associator
from tests.support.look_back_cases import BRIGHT_JY, shot
from tests.support.stamps import BURST_JY, NOISE_JY, StampCase, burst_at, stamp_case


async def listed(run: StampCase, client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    """Return the stamps of the burst by their roles, as the API has them."""
    (event,) = run.case.events
    answer = await client.get(f"/api/v1/sources/{event.source_id}/stamps")
    assert answer.status_code == 200, answer.text
    return {each["role"]: each for each in answer.json()["items"]}


def pixels_at_burst(data: bytes, extension: int) -> tuple[float, np.ndarray]:
    """Return the flux at the burst's place by astropy's WCS, and the pixels."""
    with fits.open(io.BytesIO(data)) as hdus:
        hdu = hdus[extension]
        x, y = parse_wcs(hdu.header.tostring(sep="\n")).world_to_pixel_values(*burst_at())
        assert np.allclose((x, y), 32, atol=0.6)
        image = np.asarray(hdu.data)
        return float(image[round(float(y)), round(float(x))]), image


async def test_a_burst_has_stamps(
    postgres_url: str, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stamp_case(postgres_url, kafka_bootstrap) as run, client_of(postgres_url) as client:
        for step in range(3):
            await run.send(step)
        await run.send(3, has_burst=True)
        requests = await run.ask()
        waiting = await listed(run, client)
        assert waiting["now"]["state"] == waiting["before"]["state"] == "waiting"
        assert "is not cut yet" in await refusal(client, waiting["now"]["id"])
        assert await run.ask() == []
        for request in [*requests, requests[0]]:  # the first one comes twice
            await run.handler.on_message(run.cut(request))
        stamps = await listed(run, client)
        assert list(stamps)[:3] == ["now", "before", "difference"]
        await check_pixels(client, stamps)
        await check_pictures(client, stamps)
        with monkeypatch.context() as impatient:  # no broker comes, however long each waits
            impatient.setattr(pixels, "_TIMEOUT_S", 0.2)
            await check_cutouts(client, stamps)
        await expire(run)
        gone = await listed(run, client)
        assert {each["reason"] for each in gone.values()} == {"expired"}
        assert gone["now"]["sha256"] == stamps["now"]["sha256"]
        assert "expired, since" in await refusal(client, stamps["difference"]["id"])


async def test_the_deepest_image_before_is_found_where_a_later_one_is_deeper(
    postgres_url: str,
) -> None:
    rms_jy = {1: 5e-4, 7: 1e-4}
    async with associator(postgres_url) as case:
        for step in range(8):
            flux_jy = BRIGHT_JY if step == 6 else None
            await case.feed(shot(step, flux_jy, rms_jy_beam=rms_jy.get(step, 1e-3)))
        async with CatalogueStore(case.pool).transaction() as catalogue:
            found = await catalogue.lock_unstamped(1_000_000)
            (transient,) = [each for each in found if each.stream == case.stream]
            earlier = await catalogue.load_stamp_images(transient, limit=2)
            await catalogue.insert_stamps([transient], [])
    assert [each.image_id for each in earlier] == [shot(step).image_id for step in (5, 4, 1)]
    plans = plan_stamps([transient], {transient.transient_id: earlier}).plans
    images = {each.role: each.image and each.image.image_id for each in plans}
    assert images["deepest"] == shot(1).image_id


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"no Avro", "bad_avro"),
        (
            encode_image_stamps(
                ImageStamps("0" * 64, "s", SourceOffset("c", "t", 0, 0), (StampFile("a-now"),))
            ),
            "bad_record",
        ),
    ],
)
async def test_what_is_no_stamp_is_refused(postgres_url: str, value: bytes, reason: str) -> None:
    async with associator(postgres_url) as case:
        handler = StampHandler(CatalogueStore(case.pool), case.settings.associate, Topics())
        with pytest.raises(RejectedMessageError) as refused:
            await handler.on_message(InMessage("stamps-v1", 0, 0, b"", value))
    assert refused.value.reason_code == reason


async def test_a_transient_that_cannot_be_planned_does_not_stop_the_others(
    postgres_url: str, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.associate.handlers.stamps._POLL_S", 0.0)
    monkeypatch.setattr("services.associate.handlers.stamps._BUSY_POLL_S", 0.0)
    async with stamp_case(postgres_url, kafka_bootstrap) as run:
        for step in range(3):
            await run.send(step)
        await run.send(3, has_burst=True)
        with monkeypatch.context() as broken:
            broken.setattr("services.associate.handlers.stamps.plan_stamps", _fail)
            assert await run.ask() == []  # together
            assert await run.ask() == []  # alone: it is left out
        assert await run.ask() == []
        left = await run.case.pool.fetchval("select count(*) from transient where needs_stamps")
    assert left == 0


@pytest.mark.parametrize(
    ("is_idle", "is_awake", "asked_s"),
    [(True, True, [0.0, 0.3, 0.6, 1.9]), (True, False, [0.0, 2.05]), (False, True, [0.0, 2.05])],
)
async def test_where_nothing_happens_the_database_is_asked_seldom(
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_idle: bool,
    is_awake: bool,
    asked_s: list[float],
) -> None:
    now_s, found_s = 0.0, []
    transaction = CatalogueStore.transaction

    def counted(store: CatalogueStore) -> AbstractAsyncContextManager[Any]:
        found_s.append(now_s)
        return transaction(store)

    async with associator(postgres_url) as case:
        store, settings = CatalogueStore(case.pool), case.settings.associate
        handler = StampHandler(store, settings, Topics(), clock=lambda: now_s)
        monkeypatch.setattr(CatalogueStore, "transaction", counted)
        for each_s in (0.0, 0.1, 0.3, 0.6, 1.9, 2.05):
            now_s = each_s
            assert not await handler.ask(is_idle=is_idle, is_awake=is_awake)
    assert found_s == asked_s


def _fail(*_: object) -> None:
    raise ValueError("no plan")


async def refusal(client: httpx.AsyncClient, stamp_id: str) -> str:
    answer = await client.get(f"/api/v1/stamps/{stamp_id}")
    assert answer.status_code == 404
    return str(answer.json()["detail"])


async def check_pixels(client: httpx.AsyncClient, stamps: dict[str, dict[str, Any]]) -> None:
    """Compare the files with the sky that was simulated."""
    images = {}
    for role, flux_jy in (("now", BURST_JY), ("before", 0.0), ("difference", BURST_JY)):
        answer = await client.get(stamps[role]["fits"])
        assert answer.headers["content-type"] == "application/fits"
        found, images[role] = pixels_at_burst(answer.content, 0 if role == "difference" else 1)
        # Up to half a pixel beside the peak, and noise.
        assert 0.93 * flux_jy - 4 * NOISE_JY < found < 1.02 * flux_jy + 4 * NOISE_JY
    assert images["now"].shape == (65, 65)
    np.testing.assert_allclose(images["difference"], images["now"] - images["before"], atol=1e-6)
    peak = np.unravel_index(np.argmax(images["difference"]), (65, 65))
    assert max(abs(peak[0] - 32), abs(peak[1] - 32)) <= 1


async def check_pictures(client: httpx.AsyncClient, stamps: dict[str, dict[str, Any]]) -> None:
    for stamp in stamps.values():
        answer = await client.get(stamp["png"])
        assert answer.headers["content-type"] == "image/png"
        assert struct.unpack(">II", answer.content[16:24]) == (65, 65)
        tag = {"If-None-Match": answer.headers["etag"]}
        assert (await client.get(stamp["png"], headers=tag)).status_code == 304


async def check_cutouts(client: httpx.AsyncClient, stamps: dict[str, dict[str, Any]]) -> None:
    """Ask for cutouts of images of a Kafka that is not there."""
    ra, dec = burst_at()
    address = f"/api/v1/images/{stamps['now']['image']}/cutout"
    answer = await client.get(address, params={"ra": ra, "dec": dec, "format": "fits"})
    assert answer.status_code == 200, answer.text
    found, _ = pixels_at_burst(answer.content, 0)
    assert found > 0.9 * BURST_JY
    beside = await client.get(address, params={"ra": ra, "dec": dec + 0.6})
    assert beside.status_code in (404, 503)
    assert "no stored stamp shows the place" in beside.json()["detail"]
    asked = {"ID": stamps["now"]["image_id"], "CIRCLE": f"{ra} {dec} 0.02"}
    part = await client.get("/vo/soda/sync", params=asked)
    assert part.status_code == 200, part.text
    with fits.open(io.BytesIO(part.content)) as hdus:
        assert hdus[0].data.max() > 0.9 * BURST_JY
    for region in ({"CIRCLE": f"{ra} {dec} 1"}, {"CIRCLE": f"{ra} {dec + 0.6} 0.02"}, {}):
        gone = await client.get("/vo/soda/sync", params={"ID": asked["ID"], **region})
        assert gone.status_code in (404, 503), region


async def expire(run: StampCase) -> None:
    """Delete all pixels of the database of this test."""
    settings = Settings(associate=CASE | {"stamp_retention_mb": 0}).associate
    handler = StampHandler(CatalogueStore(run.case.pool), settings, Topics())
    await handler.drop_expired()
