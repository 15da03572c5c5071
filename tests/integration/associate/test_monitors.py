"""Watched places: they come and go while the stream runs, and get a point in each image."""

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
from tests.integration.associate.test_forced_loop import answer, asked, store
from tests.support.association import associator
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
            async with asyncio.timeout(10):
                while (await client.get("http://api/readyz")).is_error:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            yield client


async def watch(client: httpx.AsyncClient, stream: str, ra: float, dec: float) -> int:
    reply = await client.post("/monitors", json={"stream": stream, "ra": ra, "dec": dec})
    assert reply.status_code == 201, reply.text
    return int(reply.json()["id"])


async def test_case_m1(postgres_url: str) -> None:
    """A blind source; monitors on it, beside it, and where no image goes."""
    async with associator(postgres_url) as site, api(postgres_url) as client:
        here = await watch(client, site.stream, *CENTRE)
        beside = await watch(client, site.stream, CENTRE[0], CENTRE[1] + 0.001)
        far = await watch(client, site.stream, CENTRE[0] + 90, CENTRE[1])
        for step in range(3):
            await site.feed(image(step, [CENTRE]))
        assert len(site.requests) == 3
        for request in site.requests:
            assert request.positions.extraction_type == ("monitor", "monitor")
            await store(site, answer(request))
        for monitor in (here, beside):
            found = (await client.get(f"/monitors/{monitor}")).json()
            curve = (await client.get(f"/sources/{found['source_id']}/lightcurve")).json()
            assert [point["extraction_type"] for point in curve["points"]] == ["monitor"] * 3
        assert (await client.get(f"/monitors/{far}")).json()["source_id"] is None
        listed = (await client.get("/sources", params={"stream": site.stream})).json()["items"]
        assert [source["n_datapoints"] for source in listed] == [3]  # the blind one, unmoved
        assert listed[0]["ra_err_deg"] > SYSTEMATIC_ERROR_DEG
        assert listed[0]["ra_err_deg"] == pytest.approx(SYSTEMATIC_ERROR_DEG, rel=0.2)


async def test_they_come_and_go_while_the_stream_runs(postgres_url: str) -> None:
    async with associator(postgres_url) as site, api(postgres_url) as client:
        await site.feed(image(0))
        monitor = await watch(client, site.stream, *CENTRE)
        await site.feed(image(1))
        assert len(asked(site)) == 1
        source = (await client.get(f"/monitors/{monitor}")).json()["source_id"]
        assert (await client.delete(f"/monitors/{monitor}")).status_code == 204
        await site.feed(image(2))
        assert asked(site) == []
        assert (await client.get(f"/monitors/{monitor}")).status_code == 404
        assert (await client.delete(f"/monitors/{monitor}")).status_code == 404
        assert (await client.get(f"/sources/{source}")).status_code == 200


async def test_a_source_that_appears_there_is_new_all_the_same(postgres_url: str) -> None:
    async with associator(postgres_url) as site, api(postgres_url) as client:
        await watch(client, site.stream, *CENTRE)
        await site.feed(image(0))
        await site.feed(image(1, [CENTRE]))
        assert [event.kind for event in site.events] == ["new_source"]
        assert site.events[0].source_id not in site.requests[-1].positions.position_id


async def test_deleting_a_stream_deletes_its_monitors(postgres_url: str) -> None:
    async with associator(postgres_url) as site, api(postgres_url) as client:
        monitor = await watch(client, site.stream, *CENTRE)
        await site.feed(image(0))
        await site.pool.execute(
            "select delete_stream(id) from stream where name = $1", site.stream
        )
        assert (await client.get(f"/monitors/{monitor}")).status_code == 404


async def test_a_monitor_that_could_not_be_measured_says_why(postgres_url: str) -> None:
    async with associator(postgres_url) as site, api(postgres_url) as client:
        await watch(client, site.stream, *CENTRE)
        await site.feed(image(0))
        (request,) = site.requests
        reply = answer(request, np.nan)
        gone = replace(reply.measurements, reason=("blank",))
        await store(site, replace(reply, measurements=gone))
        assert await site.rows(
            "select reason from forced_gap where source_id = $1",
            int(request.positions.position_id[0]),
        ) == [{"reason": "blank"}]
