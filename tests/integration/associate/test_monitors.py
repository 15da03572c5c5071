"""Monitors come and go while the stream runs, and get a measurement in each image."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest

from api.app import create_app, create_context
from runtime.settings import Settings
from tests.support.association import associator
from tests.support.forced_results import measure, store, take_requests
from tests.support.records import image

CENTRE = (123.0, 10.0)
SYSTEMATIC_ERROR_DEG = 20 / 3600  # of the associator in these tests
TOKEN = "correct horse battery"  # noqa: S105  (of the test alone)
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}


@asynccontextmanager
async def api(postgres_url: str, **section: Any) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(
        postgres={"url": postgres_url}, api={"write_token": TOKEN} | section
    )  # fmt: skip
    app = create_app(create_context(settings))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://api/api/v1", headers=AUTHORIZED
        ) as client:
            async with asyncio.timeout(60):
                while (await client.get("http://api/readyz")).is_error:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            yield client


async def create_monitor(client: httpx.AsyncClient, stream: str, ra: float, dec: float) -> int:
    result = await client.post("/monitors", json={"stream": stream, "ra": ra, "dec": dec})
    assert result.status_code == 201, result.text
    return int(result.json()["id"])


async def test_case_m1(postgres_url: str) -> None:
    """Monitors on a detected source, beside it, and outside every image."""
    async with associator(postgres_url) as case, api(postgres_url) as client:
        here = await create_monitor(client, case.stream, *CENTRE)
        beside = await create_monitor(client, case.stream, CENTRE[0], CENTRE[1] + 0.001)
        far = await create_monitor(client, case.stream, CENTRE[0] + 90, CENTRE[1])
        for step in range(3):
            await case.feed(image(step, [CENTRE]))
        assert len(case.requests) == 3
        for request in case.requests:
            assert request.positions.extraction_type == ("monitor", "monitor")
            await store(case, measure(request))
        for monitor in (here, beside):
            found = (await client.get(f"/monitors/{monitor}")).json()
            curve = (await client.get(f"/sources/{found['source_id']}/lightcurve")).json()
            assert [point["extraction_type"] for point in curve["points"]] == ["monitor"] * 3
        assert (await client.get(f"/monitors/{far}")).json()["source_id"] is None
        listed = (await client.get("/sources", params={"stream": case.stream})).json()["items"]
        assert [source["n_datapoints"] for source in listed] == [3]  # the blind one, unmoved
        assert listed[0]["ra_err_deg"] > SYSTEMATIC_ERROR_DEG
        assert listed[0]["ra_err_deg"] == pytest.approx(SYSTEMATIC_ERROR_DEG, rel=0.2)


async def test_a_list_of_moving_targets_is_measured_where_they_are(postgres_url: str) -> None:
    # 36 arcsec a year to the north, and one that stays; images of 2012.
    rows = f"name,ra,dec,pmdec,epoch\nfast,{CENTRE[0]},{CENTRE[1]},36000,2000\n"
    rows += f"still,{CENTRE[0] + 0.1},{CENTRE[1]},,\n"
    async with associator(postgres_url) as case, api(postgres_url) as client:
        done = await client.post(
            "/monitors/upload",
            params={"stream": case.stream},
            content=rows.encode(),
            headers={"Content-Type": "text/csv"},
        )
        assert done.status_code == 201, done.text
        assert (done.json()["n_added"], done.json()["n_changed"]) == (2, 0)
        for step in range(3):
            await case.feed(image(step))
        fluxes = (0.01, 0.03, 0.02)
        for request, flux in zip(case.requests, fluxes, strict=True):
            away_deg = request.positions.dec - CENTRE[1]
            assert away_deg == pytest.approx([12 * 0.01, 0.0], abs=1e-4)
            await store(case, measure(request, flux))
        listed = (await client.get("/monitors", params={"stream": case.stream})).json()["items"]
        assert [each["pm_dec_mas_yr"] for each in listed] == [0.0, 36000.0]
        fast = (await client.get(f"/sources/{listed[1]['source_id']}")).json()
        assert fast["dec"] == pytest.approx(CENTRE[1] + 0.12, abs=1e-4)
        assert fast["n_datapoints"] == 3
        assert fast["v"] == pytest.approx(np.std(fluxes, ddof=1) / np.mean(fluxes))
        assert case.events == []


async def test_monitors_come_and_go_while_the_stream_runs(postgres_url: str) -> None:
    async with associator(postgres_url) as case, api(postgres_url) as client:
        await case.feed(image(0))
        monitor = await create_monitor(client, case.stream, *CENTRE)
        await case.feed(image(1))
        assert len(take_requests(case)) == 1
        source = (await client.get(f"/monitors/{monitor}")).json()["source_id"]
        assert (await client.delete(f"/monitors/{monitor}")).status_code == 204
        await case.feed(image(2))
        assert take_requests(case) == []
        assert (await client.get(f"/monitors/{monitor}")).status_code == 404
        assert (await client.delete(f"/monitors/{monitor}")).status_code == 404
        assert (await client.get(f"/sources/{source}")).status_code == 200


async def test_a_source_that_appears_at_a_monitor_is_new(postgres_url: str) -> None:
    async with associator(postgres_url) as case, api(postgres_url) as client:
        await create_monitor(client, case.stream, *CENTRE)
        await case.feed(image(0))
        await case.feed(image(1, [CENTRE]))
        assert [event.kind for event in case.events] == ["new_source"]
        assert case.events[0].source_id not in case.requests[-1].positions.position_id


async def test_deleting_a_stream_deletes_its_monitors(postgres_url: str) -> None:
    async with associator(postgres_url) as case, api(postgres_url) as client:
        monitor = await create_monitor(client, case.stream, *CENTRE)
        await case.feed(image(0))
        await case.pool.execute(
            "select delete_stream(id) from stream where name = $1", case.stream
        )
        assert (await client.get(f"/monitors/{monitor}")).status_code == 404


async def test_a_monitor_that_could_not_be_measured_has_a_gap_with_the_reason(
    postgres_url: str,
) -> None:
    async with associator(postgres_url) as case, api(postgres_url) as client:
        await create_monitor(client, case.stream, *CENTRE)
        await case.feed(image(0))
        (request,) = case.requests
        result = measure(request, np.nan)
        gone = replace(result.measurements, reason=("blank",))
        await store(case, replace(result, measurements=gone))
        assert await case.rows(
            "select reason from forced_gap where source_id = $1",
            int(request.positions.position_id[0]),
        ) == [{"reason": "blank"}]
