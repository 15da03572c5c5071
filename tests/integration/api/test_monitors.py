"""Monitors over REST: who may write, what is refused, and lists."""

import asyncio
import math
from pathlib import Path
from typing import Any

import httpx
import pytest

from livetrap.cli import run
from tests.support.api_rows import rows_of
from tests.support.api_service import client_of

TOKEN = "correct horse battery"  # noqa: S105  (of the test alone)
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
MONITORS = "/api/v1/monitors"


async def add(client: httpx.AsyncClient, stream: str, ra: float, dec: float) -> dict[str, Any]:
    answer = await client.post(
        MONITORS, json={"stream": stream, "ra": ra, "dec": dec}, headers=AUTHORIZED
    )
    assert answer.status_code == 201, answer.text
    assert (await client.get(answer.headers["location"])).json() == answer.json()
    return dict(answer.json())


async def test_a_position_has_at_most_one_monitor(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url, write_token=TOKEN) as client:
        first = await add(client, rows.stream, -1e-20, 90.0)
        assert (await add(client, rows.stream, 0.0, 90.0))["id"] == first["id"]
        other = await add(client, rows.stream, -10.0, 0.0)
        assert other["ra"] == 350.0
        assert other["source_id"] is None


async def test_a_stream_has_a_limited_number_of_monitors(postgres_url: str) -> None:
    async with (
        rows_of(postgres_url) as rows,
        client_of(postgres_url, write_token=TOKEN, max_monitors=2) as client,
    ):
        first, second = [await add(client, rows.stream, ra, 0.0) for ra in (10.0, 20.0)]
        third = {"stream": rows.stream, "ra": 30.0, "dec": 0.0}
        full = await client.post(MONITORS, json=third, headers=AUTHORIZED)
        assert full.status_code == 409
        assert "LIVETRAP_API__MAX_MONITORS" in full.json()["detail"]
        assert (await add(client, rows.stream, 10.0, 0.0))["id"] == first["id"]
        deleted = await client.delete(f"{MONITORS}/{second['id']}", headers=AUTHORIZED)
        assert (deleted.status_code, deleted.content) == (204, b"")
        await add(client, rows.stream, 30.0, 0.0)


async def test_a_list_is_taken_whole_or_not_at_all(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with (
        rows_of(postgres_url) as rows,
        client_of(postgres_url, write_token=TOKEN, max_monitors=2) as client,
    ):

        async def upload(text: str, media_type: str = "text/csv") -> httpx.Response:
            return await client.post(
                f"{MONITORS}/upload",
                params={"stream": rows.stream},
                content=text.encode(),
                headers=AUTHORIZED | {"Content-Type": media_type},
            )

        async def positions() -> list[tuple[float, str]]:
            page = (await client.get(MONITORS, params={"stream": rows.stream})).json()
            return [(each["ra"], each["name"]) for each in page["items"]]

        twice = await upload("ra,dec,name\n10,0,a\n10,0,b\n-350,0,c\n20,0,d\n")
        assert (twice.status_code, twice.json()["n_added"]) == (201, 2)
        assert await positions() == [(20.0, "d"), (10.0, "c")]
        for text, status in (
            ("ra,dec\n10,0\n30,0\n", 409),
            ("ra,dec\n10,0\n20,91\n", 422),
            ("ra,dec\n" + "10,0\n" * 20_000, 413),
        ):
            assert (await upload(text)).status_code == status
        assert (await upload("{}", "application/json")).status_code == 415
        assert await positions() == [(20.0, "d"), (10.0, "c")]

        path = tmp_path / "targets.csv"
        path.write_text("ra,dec,name\n10,0,e\n")
        monkeypatch.setenv("LIVETRAP_POSTGRES__URL", postgres_url)
        monkeypatch.setenv("LIVETRAP_DATA_DIR", str(tmp_path))
        monkeypatch.setenv("LIVETRAP_API__MAX_MONITORS", "2")
        command = ["monitors", "upload", str(path), "--stream", rows.stream]
        assert await asyncio.to_thread(run, command) == 0
        path.write_text("ra,dec\n30,0\n")
        assert await asyncio.to_thread(run, command) == 2
        assert await positions() == [(20.0, "d"), (10.0, "e")]
        page = (await client.get(MONITORS, params={"stream": rows.stream})).json()
        ids = [str(each["id"]) for each in page["items"]]
        assert await asyncio.to_thread(run, ["monitors", "delete", *ids, "999999999"]) == 2
        assert await asyncio.to_thread(run, ["monitors", "delete", *ids]) == 0
        assert await positions() == []


async def test_pages_of_monitors_hold_each_once_newest_first(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url, write_token=TOKEN) as client:
        added = [await add(client, rows.stream, float(ra), 0.0) for ra in range(5)]
        found: list[dict[str, Any]] = []
        parameters: dict[str, Any] = {"stream": rows.stream, "limit": 2}
        while parameters.get("cursor", "") is not None:
            page = (await client.get(MONITORS, params=parameters)).json()
            found += page["items"]
            parameters["cursor"] = page["next"]
        assert found == added[::-1]


async def test_a_monitor_that_does_not_exist_is_a_404(postgres_url: str) -> None:
    async with client_of(postgres_url, write_token=TOKEN) as client:
        address = f"{MONITORS}/999999999"
        assert (await client.get(address)).status_code == 404
        assert (await client.delete(address, headers=AUTHORIZED)).status_code == 404


@pytest.mark.parametrize("headers", [{}, {"Authorization": ""}, {"Authorization": "Bearer wrong"}])
async def test_writing_needs_the_token(postgres_url: str, headers: dict[str, str]) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url, write_token=TOKEN) as client:
        monitor = await add(client, rows.stream, 5.0, 5.0)
        wanted = {"stream": rows.stream, "ra": 1.0, "dec": 1.0}
        for answer in (
            await client.post(MONITORS, json=wanted, headers=headers),
            await client.delete(f"{MONITORS}/{monitor['id']}", headers=headers),
        ):
            assert answer.status_code == 401
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["www-authenticate"] == "Bearer"
        listed = await client.get(MONITORS, params={"stream": rows.stream})
        assert listed.json()["items"] == [monitor]


async def test_the_token_of_the_settings_writes_only_while_it_is_there(postgres_url: str) -> None:
    async with client_of(postgres_url) as client:
        wanted = {"stream": "a", "ra": 1.0, "dec": 1.0}
        answer = await client.post(MONITORS, json=wanted, headers=AUTHORIZED)
        assert answer.status_code == 401
        assert "livetrap tokens create" in answer.json()["detail"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"ra": math.inf}, {"ra": 361}, {"dec": 91}, {"dec": None}, {"stream": ""},
        {"stream": "a b"}, {"stream": "a\x00"}, {"name": "x" * 101}, {"name": "a\x00b"},
        {"radius": 1}, {"ra": "north"},
    ],
)  # fmt: skip
async def test_a_wrong_monitor_is_explained(postgres_url: str, wrong: dict[str, Any]) -> None:
    async with client_of(postgres_url, write_token=TOKEN) as client:
        body = {"stream": "nonsense", "ra": 1.0, "dec": 1.0} | wrong
        text = str(body).replace("'", '"').replace("None", "null").replace("inf", "1e999")
        answer = await client.post(
            MONITORS,
            content=text.replace("\\x00", "\\u0000"),
            headers=AUTHORIZED | {"Content-Type": "application/json"},
        )
        assert answer.status_code == 400
        assert next(iter(wrong)) in answer.json()["detail"] or "a parameter" in answer.text
