"""Databases that are not as they should be: old, read-only, behind a pooler."""

import asyncio
from urllib.parse import urlsplit

import asyncpg
import pytest
from pydantic import SecretStr

from livetrap.database.connection import connect as connect_command
from runtime.errors import SettingsError, TransientError
from runtime.postgres import DatabaseProbe, create_pool, lend_connection
from runtime.settings import PostgresSettings
from tests.support.databases import clone_database, execute, replace_database


@pytest.fixture
def settings(postgres_url: str) -> PostgresSettings:
    return PostgresSettings(url=SecretStr(postgres_url), pool_size=1)


async def test_a_read_only_session_is_dropped_and_made_anew(settings: PostgresSettings) -> None:
    pool = await create_pool(settings, service="test", resets_sessions=False)
    try:
        async with lend_connection(pool) as connection:
            first = await connection.fetchval("select pg_backend_pid()")
            # As a primary that was demoted and kept its clients.
            await connection.execute("set default_transaction_read_only to on")
        with pytest.raises(TransientError, match="ReadOnlySQLTransactionError"):
            async with lend_connection(pool) as connection:
                await connection.execute(
                    "insert into outbox (topic, key, value) values ('a', 'b', '')"
                )
        async with lend_connection(pool) as connection:
            assert await connection.fetchval("select pg_backend_pid()") != first
            await connection.execute("delete from outbox")
    finally:
        await pool.close()


def close(url: str, name: str) -> None:
    """Let nobody into a database, and end its sessions; a pool makes new ones at once."""
    execute(url, f"alter database {name} allow_connections false")
    is_its = f"datname = '{name}'"
    execute(
        url,
        f"select pg_terminate_backend(pid, 60000) from pg_stat_activity where {is_its}",  # noqa: S608
    )


@pytest.mark.parametrize(
    ("changes", "back", "words"),
    [
        ([], "alter database {0} allow_connections true", "not currently accepting"),
        (
            ["alter database {0} rename to {0}_away"],
            "alter database {0}_away rename to {0}; alter database {0} allow_connections true",
            "does not exist",
        ),
    ],
)
async def test_a_login_that_is_refused_meanwhile_is_waited_for(
    settings: PostgresSettings, changes: list[str], back: str, words: str
) -> None:
    url = settings.url.get_secret_value()
    name, server = urlsplit(url).path.lstrip("/"), replace_database(url, "postgres")
    pool = await create_pool(settings, service="test")
    try:
        await asyncio.to_thread(close, server, name)
        for change in changes:
            await asyncio.to_thread(execute, server, change.format(name))
        async with asyncio.timeout(60):
            while words not in await why_unavailable(pool):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        for change in back.split("; "):
            await asyncio.to_thread(execute, server, change.format(name))
        async with asyncio.timeout(60):
            while await why_unavailable(pool):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    finally:
        pool.terminate()


async def why_unavailable(pool: asyncpg.Pool) -> str:
    """Return why a question is not answered; nothing if it is."""
    try:
        async with lend_connection(pool) as connection:
            await connection.fetchval("select 1")
    except TransientError as error:
        return str(error)
    return ""


async def ask_two_servers(pool: asyncpg.Pool) -> None:
    """Ask the same twice; the second server knows none of the statements of the first."""
    async with lend_connection(pool) as connection:
        await connection.fetch("select 1")
        await connection.execute("deallocate all")
        await connection.fetch("select 1")


async def test_a_pooler_in_transaction_mode_is_named(settings: PostgresSettings) -> None:
    pool = await create_pool(settings, service="test", resets_sessions=False)
    try:
        with pytest.raises(SettingsError, match="pooler in transaction mode; use the database"):
            await ask_two_servers(pool)
    finally:
        await pool.close()


async def test_commands_name_a_pooler_too(settings: PostgresSettings) -> None:
    with pytest.raises(SettingsError, match="pooler in transaction mode"):
        async with connect_command(settings):
            raise asyncpg.DuplicatePreparedStatementError("already exists")


async def test_a_setting_that_a_pooler_refuses_is_no_outage(settings: PostgresSettings) -> None:
    with pytest.raises(SettingsError, match="unsupported startup parameter"):
        async with connect_command(settings):
            raise asyncpg.ProtocolViolationError("unsupported startup parameter: jit")


def test_an_older_schema_waits_and_a_newer_one_does_not(postgres_server_url: str) -> None:
    with clone_database(postgres_server_url) as url:
        settings = PostgresSettings(url=SecretStr(url))
        probe = DatabaseProbe(settings)
        assert probe.check(30) is None
        execute(url, "insert into schema_migration (name, sha256) values ('9999_later.sql', '')")
        assert probe.check(30) is None
        execute(url, "truncate schema_migration")
        assert "no schema yet" in str(probe.check(30))
        execute(url, "drop table schema_migration")
        with pytest.raises(TransientError, match="run `livetrap migrate`"):
            asyncio.run(create_pool(settings, service="test"))


def test_a_database_that_does_not_answer_is_named() -> None:
    probe = DatabaseProbe(PostgresSettings(url=SecretStr("postgresql://a@127.0.0.1:1/a")))
    assert "PostgreSQL is unavailable" in str(probe.check(30))
