"""Reads go to the replica, writes and what must be current to the database."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from pydantic import SecretStr

from api.storage.database import Database
from runtime.settings import ApiSettings, PostgresSettings
from tests.support.databases import clone_database, execute

N_SESSIONS = """
    select count(*) from pg_stat_activity
    where application_name = 'livetrap-api' and datname = current_database()
"""


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


@pytest.fixture
def replica_url(postgres_server_url: str) -> Iterator[str]:
    """Another database, which tells itself apart by its streams."""
    with clone_database(postgres_server_url) as url:
        execute(url, "insert into stream (name) values ('read from the replica')")
        yield url


@pytest.fixture
async def database(postgres_url: str, replica_url: str) -> AsyncIterator[Database]:
    settings = PostgresSettings(url=SecretStr(postgres_url), read_url=SecretStr(replica_url))
    made = Database(settings, ApiSettings())
    connecting = asyncio.create_task(made.connect())
    async with asyncio.timeout(60):
        while not made._pools.are_open:  # noqa: ASYNC110  (it is polled)
            await asyncio.sleep(0.02)
    yield made
    connecting.cancel()
    await made.aclose()


async def test_reads_go_to_the_replica_and_writes_do_not(database: Database) -> None:
    here = "read from the replica"
    assert here in [row["name"] for row in await database.fetch("list_stream_names")]
    async with database.writing(None) as fetch:
        assert here not in [row["name"] for row in await fetch("list_stream_names", {})]


async def test_a_token_that_was_just_made_is_known(database: Database, postgres_url: str) -> None:
    insert = """
        insert into api_token (name, token_sha256, scopes)
        values ('new', sha256('new'), array['annotate'])
    """
    await asyncio.to_thread(execute, postgres_url, insert)
    digest = hashlib.sha256(b"new").digest()
    [row] = await database.fetch("get_token", token_sha256=digest)
    assert row["name"] == "new"


async def test_no_connection_is_left_by_attempts_that_fail(
    replica_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_attempts = 0

    async def sleep(_: float) -> None:
        nonlocal n_attempts
        n_attempts += 1
        await real_sleep(0)

    real_sleep = asyncio.sleep
    away = SecretStr("postgresql://livetrap@127.0.0.1:1/livetrap")
    settings = PostgresSettings(url=away, read_url=SecretStr(replica_url))
    made = Database(settings, ApiSettings())
    with monkeypatch.context() as patched:
        patched.setattr(asyncio, "sleep", sleep)
        connecting = asyncio.create_task(made.connect())
        async with asyncio.timeout(60):
            while n_attempts < 3:
                await real_sleep(0.02)
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
    # A session ends soon after its connection, but only if that was closed.
    async with asyncio.timeout(60), connected(replica_url) as connection:
        while await connection.fetchval(N_SESSIONS):
            await real_sleep(0.05)
