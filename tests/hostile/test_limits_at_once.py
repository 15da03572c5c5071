"""Requests at once that each see room for one more: all get no more than one may have."""

import ast
import asyncio
import re
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.api_rows import rows_of
from tests.support.api_service import client_of
from tests.support.subscription_requests import AUTHORIZED, TOKEN

ROOT = Path(__file__).parents[2]
MOST = 4
# More than there are connections to the database.
AT_ONCE = 40


@pytest.fixture
async def client(postgres_url: str) -> AsyncIterator[httpx.AsyncClient]:
    limits = {"max_subscriptions": MOST, "max_monitors": MOST}
    async with client_of(postgres_url, write_token=TOKEN, **limits) as made:
        made.headers.update(AUTHORIZED)
        yield made


async def post_at_once(
    client: httpx.AsyncClient, path: str, bodies: list[dict[str, Any]], **form: Any
) -> Counter[int]:
    """Return how many requests had each status."""
    answers = await asyncio.gather(
        *(client.post(path, **({"json": body} if body else form)) for body in bodies)
    )
    return Counter(each.status_code for each in answers)


def subscriptions(channel: str) -> list[dict[str, Any]]:
    return [{"name": f"at-once-{uuid.uuid4().hex}", "channel": channel} for _ in range(AT_ONCE)]


@pytest.mark.parametrize("channel", ["sse", "kafka"])
async def test_one_has_no_more_subscriptions_however_they_come(
    client: httpx.AsyncClient, channel: str
) -> None:
    path = "/api/v1/subscriptions"
    for before in (await client.get(path)).json():
        await client.delete(f"{path}/{before['name']}")
    statuses = await post_at_once(client, path, subscriptions("sse"))
    assert statuses == {201: MOST, 409: AT_ONCE - MOST}
    made = (await client.get(path)).json()
    assert len(made) == MOST
    for each in made:
        await client.delete(f"{path}/{each['name']}")
    statuses = await post_at_once(client, path, subscriptions(channel))
    assert statuses == {201: MOST, 409: AT_ONCE - MOST}


async def test_one_replay_at_a_time_goes_to_a_subscription(client: httpx.AsyncClient) -> None:
    path = "/api/v1/subscriptions"
    for before in (await client.get(path)).json():
        await client.delete(f"{path}/{before['name']}")
    wanted = {"name": f"at-once-{uuid.uuid4().hex}", "channel": "digest", "target": "a@b.example"}
    assert (await client.post(path, json=wanted)).status_code == 201
    night = {"since": "2026-03-01T18:00:00Z", "until": "2026-03-02T06:00:00Z"}
    orders = [{"subscription": wanted["name"], "speed": 60.0, **night}] * AT_ONCE
    statuses = await post_at_once(client, "/api/v1/alerts/replay", orders)
    assert statuses == {202: 1, 409: AT_ONCE - 1}


async def test_a_stream_has_no_more_monitors_however_they_come(
    client: httpx.AsyncClient, postgres_url: str
) -> None:
    async with rows_of(postgres_url) as rows:
        places = [
            {"stream": rows.stream, "ra": float(number), "dec": 0.0} for number in range(AT_ONCE)
        ]
        statuses = await post_at_once(client, "/api/v1/monitors", places)
        assert statuses == {201: MOST, 409: AT_ONCE - MOST}


async def test_lists_at_once_are_no_more_monitors(
    client: httpx.AsyncClient, postgres_url: str
) -> None:
    async with rows_of(postgres_url) as rows:
        answers = await asyncio.gather(
            *(
                client.post(
                    "/api/v1/monitors/upload",
                    params={"stream": rows.stream},
                    content=f"ra,dec\n{number},1\n{number},2\n",
                    headers={"Content-Type": "text/csv"},
                )
                for number in range(AT_ONCE)
            )
        )
        n_taken = sum(each.status_code == 201 for each in answers)
        assert n_taken == MOST / 2
        assert {each.status_code for each in answers} == {201, 409}


async def test_an_address_has_no_more_jobs_of_tap_however_they_come(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.steps.tap_jobs._MAX_OF_CLIENT", MOST)
    query = {"LANG": "ADQL", "QUERY": "select 1 from livetrap.source"}
    statuses = await post_at_once(
        client, "/vo/tap/async", [{}] * AT_ONCE, data=query, follow_redirects=False
    )
    assert statuses == {303: MOST, 503: AT_ONCE - MOST}


def counting_statements() -> Iterator[str]:
    """Yield the names of statements of the API that insert what a count or a search allows."""
    for path in sorted((ROOT / "api/queries").glob("*.sql")):
        text = re.sub(r"--.*", "", path.read_text())
        # The copy of statistics has a lock of its own, and counts what it copies.
        if path.stem == "refresh_source_statistics":
            continue
        if "insert into" in text and re.search(r"count\(|not exists|sum\(", text):
            yield path.stem


@pytest.mark.parametrize("statement", list(counting_statements()))
def test_what_counts_before_it_inserts_has_a_turn(statement: str) -> None:
    calls = [
        node
        for path in (ROOT / "api").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and any(
            isinstance(given, ast.Constant) and given.value == statement for given in node.args
        )
    ]
    assert [call.func.attr for call in calls if isinstance(call.func, ast.Attribute)] == [
        "write_in_turn"
    ]
