"""Subscriptions that are made and deleted in a loop: their topics stay a day, and count."""

import uuid
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from livetrap.operator.tokens import issue_token
from runtime.settings import PostgresSettings, Settings
from runtime.threads import run_in_thread
from tests.support.api_service import client_of

PATH = "/api/v1/subscriptions"
MOST = 4


@pytest.fixture
async def client(postgres_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(postgres_url, max_subscriptions=MOST) as made:
        yield made


async def log_in(client: httpx.AsyncClient, postgres_url: str) -> str:
    """Give a client a new token; return the name of its owner."""
    owner = f"owner-{uuid.uuid4().hex[:8]}"
    settings = Settings(postgres=PostgresSettings(url=SecretStr(postgres_url)))
    token = await run_in_thread(
        lambda: issue_token(settings, owner, ["annotate"], valid_days=None)
    )
    client.headers["Authorization"] = f"Bearer {token}"
    return owner


async def subscribe(client: httpx.AsyncClient, name: str = "", channel: str = "kafka") -> str:
    """Make a subscription; return its name, or nothing if it is refused."""
    name = name or f"loop-{uuid.uuid4().hex[:8]}"
    answer = await client.post(PATH, json={"name": name, "channel": channel})
    assert answer.status_code in (201, 409), answer.text
    return name if answer.status_code == 201 else ""


async def unsubscribe(client: httpx.AsyncClient, name: str) -> None:
    assert (await client.delete(f"{PATH}/{name}")).status_code == 204


@pytest.mark.parametrize("n_kept", [0, 1, MOST - 1])
async def test_a_loop_leaves_no_more_topics_than_one_may_have(
    client: httpx.AsyncClient, postgres_url: str, n_kept: int
) -> None:
    await log_in(client, postgres_url)
    kept = [await subscribe(client) for _ in range(n_kept)]
    assert all(kept)
    made = []
    while name := await subscribe(client):
        made.append(name)
        await unsubscribe(client, name)
        assert len(made) <= MOST
    assert len(made) == MOST - n_kept
    refused = await client.post(
        PATH, json={"name": f"x-{uuid.uuid4().hex[:8]}", "channel": "kafka"}
    )
    assert "until they are gone" in refused.json()["detail"]
    # A name whose topic is there is not refused, nor what needs no topic, nor anybody else.
    assert await subscribe(client, made[0])
    await unsubscribe(client, made[0])
    assert await subscribe(client, channel="sse")
    await log_in(client, postgres_url)
    assert await subscribe(client)


async def test_there_is_room_again_when_topics_are_gone(
    client: httpx.AsyncClient, postgres_url: str
) -> None:
    owner = await log_in(client, postgres_url)
    while name := await subscribe(client):
        await unsubscribe(client, name)
    connection = await asyncpg.connect(postgres_url)
    try:  # as the delivering process does, a day later
        await connection.execute("delete from unused_topic where owner = $1", owner)
    finally:
        await connection.close()
    assert await subscribe(client)
