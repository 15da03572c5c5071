"""A standby that replays slowly: the api says how far it is behind, and is not ready."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from api.app import create_app, create_context
from livetrap.database.migrations import migrate
from runtime.settings import ApiProcessSettings, ApiSettings, PostgresSettings
from tests.support.databases import execute
from tests.support.own_postgres import OwnPostgres, own_postgres

# Shorter than the default: it is the wait of this test.
MAX_LAG_S = 1.0


@pytest.fixture
def primary() -> Iterator[OwnPostgres]:
    with own_postgres() as server:
        yield server


@asynccontextmanager
async def api_of(settings: PostgresSettings) -> AsyncIterator[httpx.AsyncClient]:
    api = ApiSettings(max_replica_lag_s=MAX_LAG_S, shared_answer_s=0)
    app = create_app(create_context(ApiProcessSettings(postgres=settings, api=api)))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            yield client


async def wait_for_status(client: httpx.AsyncClient, status: int) -> str:
    async with asyncio.timeout(120):
        while True:
            answer = await client.get("/readyz")
            if answer.status_code == status:
                return answer.text
            await asyncio.sleep(0.05)


async def wait_for_lag(client: httpx.AsyncClient, is_right: Callable[[float], bool]) -> None:
    """Wait for what the metric says: it is set once a second."""
    async with asyncio.timeout(120):
        while True:
            text = (await client.get("/metrics")).text
            [found] = re.findall(r"^livetrap_api_replica_lag_seconds (\S+)$", text, re.MULTILINE)
            if is_right(float(found)):
                return
            await asyncio.sleep(0.05)


async def test_an_api_whose_standby_is_behind_is_not_ready(primary: OwnPostgres) -> None:
    await asyncio.to_thread(migrate, primary.url)
    with primary.standby() as standby_url:
        settings = PostgresSettings(url=SecretStr(primary.url), read_url=SecretStr(standby_url))
        standby = await asyncpg.connect(standby_url)
        async with api_of(settings) as client:
            await wait_for_status(client, 200)
            await standby.execute("select pg_wal_replay_pause()")
            await asyncio.to_thread(
                execute, primary.url, "insert into stream (name) values ('written')"
            )
            assert "the replica is" in await wait_for_status(client, 503)
            await wait_for_lag(client, lambda lag_s: lag_s > MAX_LAG_S)
            await standby.execute("select pg_wal_replay_resume()")
            await wait_for_status(client, 200)
            await wait_for_lag(client, lambda lag_s: lag_s <= MAX_LAG_S)
            assert "written" in (await client.get("/api/v1/streams")).text
        await standby.close()
