"""One process of a database holds a lock as long as its connection is open."""

import asyncio
import struct
import threading
import time
import uuid
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from pydantic import SecretStr

from runtime import advisory_lock
from runtime.advisory_lock import AdvisoryLock
from runtime.errors import TransientError
from runtime.settings import PostgresSettings
from runtime.sql import load_statement
from tests.support.vtp_proxy import proxy_to

_LAST_USE = "select query_start from pg_stat_activity where pid = $1"


@pytest.fixture
def settings(postgres_url: str) -> PostgresSettings:
    return PostgresSettings(url=SecretStr(postgres_url))


@pytest.fixture
def name() -> str:
    return f"test.{uuid.uuid4().hex}"


async def acquire(lock: AdvisoryLock) -> None:
    """Wait until the lock is free; the server takes a moment to notice a connection's end."""
    async with asyncio.timeout(60):
        while not await lock.try_acquire():  # noqa: ASYNC110  (nothing reports it)
            await asyncio.sleep(0.02)


async def test_one_process_holds_it_until_it_releases_it(
    settings: PostgresSettings, name: str
) -> None:
    first, second = (AdvisoryLock(settings, name=name, service="test") for _ in range(2))
    assert await first.try_acquire()
    assert await first.try_acquire()
    assert not await second.try_acquire()
    assert (first.is_held, second.is_held) == (True, False)
    first.release()
    await acquire(second)
    assert not await first.try_acquire()
    second.release()


async def test_tasks_of_one_process_share_it(settings: PostgresSettings, name: str) -> None:
    lock = AdvisoryLock(settings, name=name, service="test")
    assert await asyncio.gather(*(lock.try_acquire() for _ in range(5))) == [True] * 5
    lock.release()


async def test_a_lost_connection_loses_it(settings: PostgresSettings, name: str) -> None:
    lock = AdvisoryLock(settings, name=name, service=name)
    assert await lock.try_acquire()
    operator = await asyncpg.connect(settings.url.get_secret_value())
    await operator.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1",
        f"livetrap-{name}",
    )
    await operator.close()
    async with asyncio.timeout(60):
        while lock.is_held:  # noqa: ASYNC110  (nothing reports it)
            await asyncio.sleep(0.01)
    await acquire(lock)
    lock.release()


async def test_a_holder_that_hangs_loses_it_and_knows(
    settings: PostgresSettings, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hung, standby = (AdvisoryLock(settings, name=name, service=name) for _ in range(2))
    assert await hung.try_acquire()
    operator = await asyncpg.connect(settings.url.get_secret_value())
    limit = await operator.fetchval("show idle_session_timeout")
    assert limit == "0"  # of that session alone
    await operator.close()
    # As the server does after 18 s, for which nobody waits here.
    assert hung._connection is not None
    await hung._connection.execute("set idle_session_timeout = '200ms'")
    await acquire(standby)
    monkeypatch.setattr(advisory_lock, "_VALID_S", 0.0)
    assert not hung.is_held
    monkeypatch.undo()
    monkeypatch.setattr(advisory_lock, "_RENEWAL_INTERVAL_S", 0.0)
    assert not await hung.try_acquire()
    assert await standby.try_acquire()
    standby.release()


async def test_a_holder_that_is_used_keeps_it(
    settings: PostgresSettings, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advisory_lock, "_RENEWAL_INTERVAL_S", 0.05)
    lock, standby = (AdvisoryLock(settings, name=name, service=name) for _ in range(2))
    assert await lock.try_acquire()
    assert lock._connection is not None
    assert await lock._connection.fetchval("show idle_session_timeout") == "18s"
    keeping = asyncio.create_task(lock.keep())
    operator = await asyncpg.connect(settings.url.get_secret_value())
    uses = set()
    async with asyncio.timeout(60):
        while len(uses) < 5:
            uses.add(await operator.fetchval(_LAST_USE, lock._connection.get_server_pid()))
    await operator.close()
    assert not await standby.try_acquire()
    assert lock.is_held
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    lock.release()


async def test_an_unavailable_database_is_a_transient_error() -> None:
    nowhere = PostgresSettings(url=SecretStr("postgresql://livetrap@127.0.0.1:1/x"))
    with pytest.raises(TransientError):
        await AdvisoryLock(nowhere, name="x", service="test").try_acquire()


async def test_the_end_of_a_session_is_known_though_nobody_has_read_it(
    settings: PostgresSettings, name: str
) -> None:
    lock = AdvisoryLock(settings, name=name, service=name)
    assert await lock.try_acquire()

    async def end_its_session() -> None:
        operator = await asyncpg.connect(settings.url.get_secret_value())
        ended = await operator.fetchval(
            "select bool_and(pg_terminate_backend(pid, 60000)) from pg_stat_activity "
            "where application_name = $1",
            f"livetrap-{name}",
        )
        await operator.close()
        assert ended

    other = threading.Thread(target=lambda: asyncio.run(end_its_session()))
    other.start()
    other.join()  # the loop of this process stands still
    assert not lock.is_held
    lock.release()


async def read_uptime_s(settings: PostgresSettings) -> float:
    connection = await asyncpg.connect(settings.url.get_secret_value())
    try:
        return float(
            await connection.fetchval(
                "select extract(epoch from clock_timestamp() - pg_postmaster_start_time())"
            )
        )
    finally:
        await connection.close()


async def test_after_a_restart_what_another_process_sent_is_waited_for(
    settings: PostgresSettings, name: str
) -> None:
    fence_s = await read_uptime_s(settings) + 2.0
    first, second = (
        AdvisoryLock(settings, name=name, service="test", fence_s=fence_s) for _ in range(2)
    )
    await acquire(first)
    first.release()  # as a restart does
    await acquire(second)
    assert await read_uptime_s(settings) >= fence_s
    second.release()


@pytest.mark.parametrize("ahead", ["-1 second", "1 hour", "10 years", "0 seconds"])
async def test_a_clock_that_was_put_back_since_the_start_makes_no_wait_longer(
    settings: PostgresSettings, name: str, ahead: str
) -> None:
    holder = AdvisoryLock(settings, name=name, service="test", fence_s=1e-3)
    await acquire(holder)
    holder.release()
    connection = await asyncpg.connect(settings.url.get_secret_value())
    try:
        # The server started so long after what its clock says now.
        await connection.execute(
            "create function pg_temp.pg_postmaster_start_time() returns timestamptz language sql "
            f"return clock_timestamp() + interval '{ahead}'"
        )
        text = load_statement("runtime", "measure_fence").text
        wait_s = await connection.fetchval(
            text.replace("pg_postmaster_start_time", "pg_temp.pg_postmaster_start_time"),
            name, uuid.uuid4(), 6.0,
        )  # fmt: skip
    finally:
        await connection.close()
    assert 0 < wait_s <= 6.0


async def test_nobody_waits_for_a_process_that_gave_the_lock_back_or_for_itself(
    settings: PostgresSettings, name: str
) -> None:
    for_ever = await read_uptime_s(settings) + 1e6
    first, second = (
        AdvisoryLock(settings, name=name, service="test", fence_s=for_ever) for _ in range(2)
    )
    await acquire(first)
    first.release()
    await acquire(first)
    await first.give_back()
    assert not first.is_held
    await acquire(second)
    await second.give_back()
    await second.give_back()


async def test_a_holder_that_hangs_in_the_middle_of_a_statement_loses_it(
    settings: PostgresSettings, name: str
) -> None:
    hung, standby = (AdvisoryLock(settings, name=name, service=name) for _ in range(2))
    assert await hung.try_acquire()
    assert hung._connection is not None
    assert await hung._connection.fetchval("show transaction_timeout") == "18s"
    # As the server does after 18 s, for which nobody waits here.
    await hung._connection.execute("set transaction_timeout = '500ms'")
    # The server waits for the rest of a statement: it is in a transaction, and not idle.
    transport = hung._connection._transport  # type: ignore[attr-defined]
    transport.write(_message(b"P", b"\0select 1\0\0\0") + _message(b"H", b""))
    await acquire(standby)
    assert not await hung.try_acquire()
    standby.release()


async def test_a_holder_whose_connection_a_middle_box_forgets_knows_and_is_replaced(
    settings: PostgresSettings, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit, seconds in (
        ("_VALID_S", 1.0),
        ("_RENEWAL_INTERVAL_S", 0.1),
        ("_QUERY_TIMEOUT_S", 0.2),
    ):
        monkeypatch.setattr(advisory_lock, limit, seconds)
    url = urlsplit(settings.url.get_secret_value())
    standby = AdvisoryLock(settings, name=name, service=name)
    with proxy_to(str(url.hostname), int(url.port or 5432)) as proxy:
        place = url.netloc.replace(f"{url.hostname}:{url.port}", f"127.0.0.1:{proxy.port}")
        behind = PostgresSettings(url=SecretStr(urlunsplit(url._replace(netloc=place))))
        holder = AdvisoryLock(behind, name=name, service=name)
        assert await holder.try_acquire()
        assert holder._connection is not None
        # As the server does after 18 s, for which nobody waits here.
        await holder._connection.execute("set idle_session_timeout = '1500ms'")
        keeping = asyncio.create_task(holder.keep())
        proxy.freeze()
        async with asyncio.timeout(60):
            while holder.is_held:  # noqa: ASYNC110  (nothing reports it)
                await asyncio.sleep(0.02)
        await acquire(standby)
        assert not holder.is_held
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        holder.release()
    standby.release()


async def test_a_clock_that_jumps_changes_nothing_for_a_holder(
    settings: PostgresSettings, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder, standby = (AdvisoryLock(settings, name=name, service=name) for _ in range(2))
    assert await holder.try_acquire()
    now_s = time.time()
    for jump_s in (3600.0, -3600.0, 1e9):
        monkeypatch.setattr(time, "time", lambda jump_s=jump_s: now_s + jump_s)
        assert holder.is_held
        assert await holder.try_acquire()
        assert not await standby.try_acquire()
    monkeypatch.undo()
    holder.release()


def _message(kind: bytes, body: bytes) -> bytes:
    """Return a message of PostgreSQL's protocol: P parses a statement, H has the answer sent."""
    return kind + struct.pack("!I", 4 + len(body)) + body
