"""Who takes a lock after the server has ended its session waits for what the holder sent."""

import asyncio
import uuid
from datetime import datetime

import asyncpg
import pytest
from pydantic import SecretStr

from runtime import advisory_lock
from runtime.advisory_lock import AdvisoryLock
from runtime.settings import PostgresSettings
from runtime.sql import Queries

FENCE_S = 2.0


@pytest.fixture
def settings(postgres_url: str) -> PostgresSettings:
    return PostgresSettings(url=SecretStr(postgres_url))


@pytest.fixture
def name() -> str:
    return f"test.{uuid.uuid4().hex}"


def make(settings: PostgresSettings, name: str, fence_s: float) -> tuple[AdvisoryLock, ...]:
    return tuple(
        AdvisoryLock(settings, name=name, service=f"{name}.{n}", fence_s=fence_s) for n in range(2)
    )


async def acquire(lock: AdvisoryLock) -> None:
    async with asyncio.timeout(60):
        while not await lock.try_acquire():  # noqa: ASYNC110  (nothing reports it)
            await asyncio.sleep(0.02)


async def end_session(settings: PostgresSettings, service: str) -> datetime:
    """Return when the session of a service had ended."""
    operator = await asyncpg.connect(settings.url.get_secret_value())
    ended = await operator.fetchval(
        "select bool_and(pg_terminate_backend(pid, 60000)) from pg_stat_activity "
        "where application_name = $1",
        f"livetrap-{service}",
    )
    now = await operator.fetchval("select clock_timestamp()")
    await operator.close()
    assert ended
    return now


async def read_time_taken(settings: PostgresSettings, name: str) -> datetime:
    operator = await asyncpg.connect(settings.url.get_secret_value())
    taken = await operator.fetchval("select time_taken from process_lease where name = $1", name)
    await operator.close()
    return taken


async def test_after_the_end_of_its_session_by_the_server(
    settings: PostgresSettings, name: str
) -> None:
    first, second = make(settings, name, FENCE_S)
    await acquire(first)
    ended = await end_session(settings, f"{name}.0")
    await acquire(second)
    taken = await read_time_taken(settings, name)
    assert (taken - ended).total_seconds() > 0.9 * FENCE_S  # it was counted before it had ended
    second.release()


async def measure_fence(settings: PostgresSettings, name: str) -> float:
    """Return how long another process would wait; a fence that has passed since the start."""
    operator = await asyncpg.connect(settings.url.get_secret_value())
    uptime = "select extract(epoch from clock_timestamp() - pg_postmaster_start_time())::float8"
    fence_s = await operator.fetchval(uptime)
    query = Queries("runtime")
    wait_s = await query.fetchval(
        operator, "measure_fence", name=name, holder=uuid.uuid4(), fence_s=fence_s
    )
    await operator.close()
    return float(wait_s)


async def test_nobody_waits_for_a_session_that_has_outlived_the_end_of_another(
    settings: PostgresSettings, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advisory_lock, "_RENEWAL_INTERVAL_S", 0.0)
    lock, _ = make(settings, name, FENCE_S)
    await acquire(lock)
    assert await measure_fence(settings, name) == 0
    other = await asyncpg.connect(
        settings.url.get_secret_value(), server_settings={"application_name": f"livetrap-{name}.x"}
    )
    await end_session(settings, f"{name}.x")
    other.terminate()
    assert await measure_fence(settings, name) > 0
    assert await lock.try_acquire()  # it uses its session, which goes on
    assert await measure_fence(settings, name) == 0
    lock.release()


async def test_after_a_failover(settings: PostgresSettings, name: str) -> None:
    first, second = make(settings, name, FENCE_S)
    await acquire(first)
    first.release()
    operator = await asyncpg.connect(settings.url.get_secret_value())
    await operator.execute(
        "update process_lease "
        "set session_epoch = regexp_replace(session_epoch, '^.{8}', '000000FF') where name = $1",
        name,
    )
    started = await operator.fetchval("select clock_timestamp()")
    await operator.close()
    await acquire(second)
    taken = await read_time_taken(settings, name)
    assert (taken - started).total_seconds() > FENCE_S
    second.release()
