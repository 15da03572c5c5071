"""Searches: the same thing is found by its position, number, digest, identity, name and tag."""

import httpx

from tests.support.api_rows import rows_of
from tests.support.api_service import client_of


async def find(client: httpx.AsyncClient, q: str, **others: str) -> list[tuple[str, str]]:
    answer = await client.get("/api/v1/search", params={"q": q, **others})
    assert answer.status_code == 200, answer.text
    items = answer.json()["items"]
    for item in items:
        assert (await client.get(item["path"])).status_code == 200, item
    return [(item["kind"], item["id"]) for item in items]


async def test_a_position_finds_sources_nearest_first(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        image = await rows.image(0)
        far = await rows.source(0.004, 45.0, image=image)
        near = await rows.source(359.999, 45.0, image=image)
        await rows.source(0.0, 45.1, image=image)
        expected = [("source", str(near)), ("source", str(far))]
        for q in ("0 45", "00:00:00 +45:00:00", "0h0m0s, 45d0m0s", "J000000+450000"):
            assert await find(client, q) == expected
        assert await find(client, "0 45", radius_arcsec="5") == expected[:1]
        answer = (await client.get("/api/v1/search", params={"q": "0 45"})).json()
        assert answer["position"] == {"ra": 0.0, "dec": 45.0}
        assert abs(answer["items"][0]["separation_arcsec"] - 2.5456) < 1e-3


async def test_a_name_or_number_finds_what_has_it(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        image = await rows.image(0)
        source = await rows.source(10.0, 10.0, image=image)
        transient = await rows.transient(source, image=image)
        alert = await rows.alert(transient_id=transient)
        sent = await rows.connection.fetchrow(
            "select ivorn, trig_id from alert where id = $1", alert
        )
        digest = await rows.connection.fetchval(
            "select image_id from image where image_key = $1", image
        )
        monitor = await rows.one(
            "monitor", stream=rows.stream, name=f"SN {rows.stream}", ra=1.0, dec=1.0
        )
        await rows.one("source_tag", source_id=source, tag="follow", actor="test")
        family = [("transient", str(transient)), ("alert", str(alert))]
        assert await find(client, sent["ivorn"]) == family
        assert await find(client, sent["trig_id"]) == family
        assert await find(client, digest.upper()) == [("image", str(image))]
        assert await find(client, rows.stream.upper()) == [("stream", rows.stream)]
        assert await find(client, f"sn {rows.stream}") == [("monitor", str(monitor))]
        assert ("source", str(source)) in await find(client, "Follow")
        assert ("source", str(source)) in await find(client, f" {source} ")
        assert ("transient", str(transient)) in await find(client, str(transient))
        assert await find(client, "nothing of that name") == []
