"""The queue of a channel: in order, each once, whatever is killed or away."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from services.alert.storage import AlertStore
from tests.integration.alert.test_channels import (
    Server,
    pool,
    send,
    serving,
    told,
    until,
    webhook_to,
)
from tests.integration.alert.test_service import events, ivorns
from tests.integration.alert.test_storage import add, finish, fresh_event
from tests.support.vtp_service import AlertSite, alert_site, wait_until

__all__ = ["pool"]

STATIC = {"LIVETRAP_KAFKA__INSTANCE_ID": "alert"}
COPY = """
insert into alert (
    ivorn, trig_id, revision, event_id, alert_type, role, stream, kind, ra, dec, snr,
    flux_peak_jy_beam, time_start, time_alert, voevent, notice, time_published, time_broadcast
)
select
    ivorn || '.' || n, trig_id, n, event_id || n, alert_type, role, stream, kind, ra, dec, snr,
    flux_peak_jy_beam, time_start, time_alert - $3::interval, voevent, notice, now(), now()
from alert cross join generate_series(1, $2::int) as n
where ivorn = $1
order by n
returning ivorn
"""


@pytest.fixture
def site(kafka_bootstrap: str, postgres_url: str, tmp_path: Path) -> Iterator[AlertSite]:
    with alert_site(kafka_bootstrap, postgres_url, tmp_path) as made:
        yield made


NOT_OLDER = timedelta()


async def copies(
    pool: asyncpg.Pool, ivorn: str, n: int, older: timedelta = NOT_OLDER
) -> list[str]:
    """Store many alerts at once, all out."""
    return [row["ivorn"] for row in await pool.fetch(COPY, ivorn, n, older)]


async def test_many_that_wait_come_once_and_in_order(pool: asyncpg.Pool) -> None:
    async with serving() as server:
        server.statuses = [204, 500, 204, 204, 500]
        async with webhook_to(pool, server) as name:
            first = (await send(pool))[0]
            await until(lambda: server.heard)
            await pool.execute("update subscriber set disabled_reason = 'x' where name = $1", name)
            expected = [first, *await copies(pool, first, 700)]
            await pool.execute(
                "update subscriber set disabled_reason = null where name = $1", name
            )
            await until(lambda: len(server.heard) >= 703, timeout_s=60)
            await asyncio.sleep(0.5)
        heard = told(server)
        # Two answers were no: these two came twice, in their place.
        assert heard == [*expected[:2], *expected[1:4], *expected[3:]]
        cursor = "select since_alert_id from subscriber where name = $1"
        last = "select id from alert where ivorn = $1"
        assert await pool.fetchval(cursor, name) == await pool.fetchval(last, expected[-1])


async def test_no_alert_is_overtaken_that_another_process_has_under_way(
    pool: asyncpg.Pool,
) -> None:
    store = AlertStore(pool)
    async with serving() as server, webhook_to(pool, server):
        under_way, _ = await add(store, fresh_event())
        (later,) = await send(pool)
        await asyncio.sleep(2.5)
        assert server.heard == []
        await finish(store, under_way)
        await until(lambda: len(server.heard) == 2)
        assert told(server) == [under_way.ivorn, later]


async def test_what_is_too_old_is_passed_over(pool: asyncpg.Pool) -> None:
    async with serving() as server, webhook_to(pool, server) as name:
        (first,) = await send(pool)
        await until(lambda: server.heard)
        await pool.execute("update subscriber set disabled_reason = 'x' where name = $1", name)
        await copies(pool, first, 600, timedelta(days=7300))
        await pool.execute("update subscriber set disabled_reason = null where name = $1", name)
        (last,) = await send(pool)
        await until(lambda: len(server.heard) == 2)
        assert told(server) == [first, last]


class Robot:
    """A webhook's server on a port of its own that can be shut and opened."""

    def __init__(self) -> None:
        self.server = Server()
        self.writers: list[asyncio.StreamWriter] = []
        self._listening: asyncio.Server | None = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        try:
            await self.server.serve(reader, writer)
        except ConnectionError:
            writer.close()

    async def open(self) -> None:
        self._listening = await asyncio.start_server(self._serve, "127.0.0.1", self.server.port)
        self.server.port = self._listening.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        if self._listening is not None:
            self._listening.close()
        for writer in self.writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    def settings(self, folder: Path) -> dict[str, str]:
        path = folder / "site.toml"
        path.write_text(
            '[[alert.webhooks]]\nname = "robot"\nallow_private = true\n'
            f'url = "http://127.0.0.1:{self.server.port}/"\n'
        )
        return {"LIVETRAP_CONFIG": str(path)}


@asynccontextmanager
async def robot() -> AsyncIterator[Robot]:
    made = Robot()
    await made.open()
    try:
        yield made
    finally:
        await made.shut()


async def test_sigkill_and_a_server_that_is_away_lose_nothing_and_keep_the_order(
    site: AlertSite, tmp_path: Path
) -> None:
    n_events, n_kills = 240, 4
    async with robot() as there:
        settings = STATIC | there.settings(tmp_path)
        await asyncio.to_thread(lambda: site.start_and_wait(**settings))
        for kill in range(n_kills):
            first = kill * n_events // n_kills
            n_heard = len(there.server.heard)
            await asyncio.to_thread(site.publish, events(first, first + n_events // n_kills))
            await until(lambda n=n_heard: len(there.server.heard) > n + 3, timeout_s=60)
            await asyncio.sleep(0.037 * kill)
            await asyncio.to_thread(site.services[-1].kill)
            await asyncio.to_thread(lambda: site.start_and_wait(**settings))
        await there.shut()
        await asyncio.to_thread(site.publish, events(n_events, n_events + 60))
        await asyncio.to_thread(
            lambda: wait_until(
                lambda: site.services[-1].has_logged("delivery_failed"), what="failure"
            )
        )
        await there.open()
        expected = set(ivorns(events(0, n_events + 60)))
        await until(lambda: set(told(there.server)) == expected, timeout_s=90)
        await asyncio.sleep(0.5)
        heard = told(there.server)
    rows = await asyncio.to_thread(lambda: site.fetch("select ivorn from alert order by id"))
    once = [one for place, one in enumerate(heard) if place == 0 or heard[place - 1] != one]
    assert once == [row["ivorn"] for row in rows]
    # The one in hand at each kill, and the one in hand when the server went, may come again.
    assert len(heard) - len(once) <= n_kills + 1
