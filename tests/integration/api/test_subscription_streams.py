"""The streams of subscriptions: server-sent events, who may follow them, and when they end."""

import asyncio
from functools import partial

import asyncpg
import httpx
import orjson
import pytest
from fastapi.security import HTTPAuthorizationCredentials

from api.handlers import alerts
from api.steps import subscriptions
from api.steps.subscriptions import follow
from runtime.api_tokens import hash_token
from services.alert.models import NewAlert
from tests.support.api_rows import Rows
from tests.support.api_service import app_of
from tests.support.subscription_requests import PATH, TOKEN, new, night, token_of


async def test_server_sent_events_of_a_subscription(
    client: httpx.AsyncClient, pool: asyncpg.Pool, rows: Rows
) -> None:
    unknown = await client.get("/api/v1/alerts/stream?subscription=nobody")
    assert unknown.status_code == 404
    wanted = new(channel="sse")
    await client.post(PATH, json=wanted)
    ids = await deliver(pool, wanted["name"], await night(pool, rows))
    assert await hear(client, wanted["name"], 3) == ids[1:]


@pytest.mark.parametrize("beyond", [10**9, 10**18 - 1])
async def test_an_id_beyond_the_newest_gets_a_reset_and_the_stream_goes_on(
    client: httpx.AsyncClient, pool: asyncpg.Pool, rows: Rows, beyond: int
) -> None:
    wanted = new(channel="sse")
    await client.post(PATH, json=wanted)
    await night(pool, rows)
    newest = await pool.fetchval("select max(id) from alert")
    bearer = HTTPAuthorizationCredentials(scheme="Bearer", credentials=TOKEN)
    context = app_of(client).state.context
    events = await alerts._follow_subscription(context, bearer, wanted["name"], beyond)
    async with asyncio.timeout(60):
        greeting, reset = (await anext(events)).split(b"\n\n")[:2]
        assert greeting.endswith(b"id: %d" % newest)
        assert b"event: reset" in reset
        assert orjson.loads(reset.partition(b"data: ")[2])["last_event_id"] == beyond
        ids = await deliver(pool, wanted["name"], await night(pool, rows))
        heard = [await anext(events) for _ in ids[1:]]
    assert [int(each.split(b"\n")[0].removeprefix(b"id: ")) for each in heard] == ids[1:]
    await events.aclose()  # type: ignore[attr-defined]


async def deliver(pool: asyncpg.Pool, name: str, alerts: list[NewAlert]) -> list[int]:
    """Record all alerts but the first as delivered; return the ids of all."""
    ids = [
        await pool.fetchval("select id from alert where ivorn = $1", each.ivorn) for each in alerts
    ]
    await pool.executemany(
        "insert into delivery (alert_id, channel, subscriber, time_sent) "
        "values ($1, 'subscription', $2, clock_timestamp())",
        [(each, name) for each in ids[1:]],
    )
    return ids


async def hear(client: httpx.AsyncClient, name: str, n_alerts: int) -> list[int]:
    """Return the ids of the first alerts of a stream that may be followed for ever."""

    async def is_open() -> bool:
        return True

    database = app_of(client).state.context.database
    events = follow(database, name, 0, is_stopped=lambda: False, is_open=is_open)
    heard: list[int] = []
    async with asyncio.timeout(60):
        async for event in events:
            if b"event: alert" in event:
                heard.append(int(event.split(b"\n")[0].removeprefix(b"id: ")))
            if len(heard) == n_alerts:
                break
    await events.aclose()  # type: ignore[attr-defined]
    return heard


async def test_nobody_follows_the_subscription_of_another(
    client: httpx.AsyncClient, postgres_url: str
) -> None:
    wanted = new(channel="sse")
    await client.post(PATH, json=wanted)
    path = f"/api/v1/alerts/stream?subscription={wanted['name']}"
    refused = await client.get(path, headers=await token_of("ben", postgres_url))
    assert refused.status_code == 404
    reader = await client.get(path, headers=await token_of("reader", postgres_url, "read"))
    assert reader.status_code == 403
    client.headers.pop("Authorization")
    assert (await client.get(path)).status_code == 401


async def test_a_name_that_is_used_again_shows_nothing_of_its_time_before(
    client: httpx.AsyncClient, pool: asyncpg.Pool, rows: Rows
) -> None:
    wanted = new(channel="sse")
    before = await night(pool, rows)
    await client.post(PATH, json=wanted)
    await deliver(pool, wanted["name"], before)
    await client.delete(f"{PATH}/{wanted['name']}")
    again = await client.post(PATH, json=wanted)
    assert again.json()["n_delivered"] == 0
    later = await night(pool, rows)
    ids = await deliver(pool, wanted["name"], later)
    assert await hear(client, wanted["name"], 1) == [ids[1]]


async def test_a_stream_ends_with_the_right_to_follow_it(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "_CHECK_S", 0.0)
    answers = iter((True, True, False))

    async def is_open() -> bool:
        return next(answers)

    database = app_of(client).state.context.database
    async with asyncio.timeout(60):
        stream = follow(database, "none", 0, is_stopped=lambda: False, is_open=is_open)
        assert [event async for event in stream] == [b"retry: 1000\nid: 0\n\n"]
    assert next(answers, None) is None


async def test_the_stream_of_a_revoked_token_or_a_deleted_subscription_ends(
    client: httpx.AsyncClient, postgres_url: str, pool: asyncpg.Pool
) -> None:
    context = app_of(client).state.context
    for end in ("revoked", "deleted"):
        header = await token_of("anna", postgres_url)
        bearer = HTTPAuthorizationCredentials(
            scheme="Bearer", credentials=header["Authorization"].removeprefix("Bearer ")
        )
        wanted = new(channel="sse")
        await client.post(PATH, json=wanted, headers=header)
        may_follow = partial(alerts.may_follow, context, bearer, wanted["name"])
        assert await may_follow()
        if end == "revoked":
            await pool.execute(
                "update api_token set time_revoked = now() where token_sha256 = $1",
                hash_token(bearer.credentials),
            )
        else:
            await client.delete(f"{PATH}/{wanted['name']}")
        assert not await may_follow()
