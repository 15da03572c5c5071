"""The queue of a channel: in order, each once, whatever is killed or away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg

from livetrap.stack.ports import choose_port
from tests.support.receivers import WebServer, issue, serving, until, webhook_to
from tests.support.vtp_events import source_event
from tests.support.vtp_service import AlertSite, wait_until

COPY = """
insert into alert (
    ivorn, trig_id, revision, event_id, alert_type, role, stream, kind, ra, dec, snr,
    flux_peak_jy_beam, time_start, time_alert, voevent, notice, time_published
)
select
    ivorn || '.' || n, trig_id, n, event_id || n, alert_type, role, stream, kind, ra, dec, snr,
    flux_peak_jy_beam, time_start, time_alert - $3::interval, voevent, notice, now()
from alert cross join generate_series(1, $2::int) as n
where ivorn = $1
order by n
returning ivorn
"""


NOT_OLDER = timedelta()


async def copies(
    pool: asyncpg.Pool, ivorn: str, n: int, older: timedelta = NOT_OLDER
) -> list[str]:
    """Store many alerts at once, all published."""
    return [row["ivorn"] for row in await pool.fetch(COPY, ivorn, n, older)]


async def test_many_that_wait_come_once_and_in_order(pool: asyncpg.Pool) -> None:
    async with serving() as server:
        server.statuses = [204, 500, 204, 204, 500]
        async with webhook_to(pool, server) as name:
            first = (await issue(pool))[0]
            await until(lambda: server.requests)
            await pool.execute("update subscriber set disabled_reason = 'x' where name = $1", name)
            expected = [first, *await copies(pool, first, 700)]
            await pool.execute(
                "update subscriber set disabled_reason = null where name = $1", name
            )
            expected += await issue(pool)
            cursor = "select since_alert_id from subscriber where name = $1"
            last = "select id from alert where ivorn = $1"
            async with asyncio.timeout(60):
                end = await pool.fetchval(last, expected[-1])
                while await pool.fetchval(cursor, name) != end:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        # Two answers were no: these two came twice, in their place.
        assert server.ivorns == [*expected[:2], *expected[1:4], *expected[3:]]


async def test_an_alert_that_kafka_does_not_have_yet_is_delivered_all_the_same(
    pool: asyncpg.Pool,
) -> None:
    async with serving() as server, webhook_to(pool, server):
        (stored,) = await issue(pool, is_published=False)
        (published,) = await issue(pool)
        await until(lambda: len(server.requests) == 2)
        assert server.ivorns == [stored, published]


async def test_an_alert_that_is_too_old_is_skipped(pool: asyncpg.Pool) -> None:
    async with serving() as server, webhook_to(pool, server) as name:
        (first,) = await issue(pool)
        await until(lambda: server.requests)
        await pool.execute("update subscriber set disabled_reason = 'x' where name = $1", name)
        await copies(pool, first, 600, timedelta(days=7300))
        await pool.execute("update subscriber set disabled_reason = null where name = $1", name)
        (last,) = await issue(pool)
        await until(lambda: len(server.requests) == 2)
        assert server.ivorns == [first, last]


class Robot:
    """The server of a webhook that can be shut and opened again on the same port."""

    def __init__(self) -> None:
        # Nobody else takes this port while it is closed.
        self.server = WebServer(port=choose_port(None, taken=set()))
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

    async def shut(self) -> None:
        if self._listening is not None:
            self._listening.close()
        for writer in self.writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    def settings(self, folder: Path) -> dict[str, str]:
        path = folder / "site.toml"
        path.write_text(
            '[[distribute.webhooks]]\nname = "robot"\nallow_private = true\n'
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
    ivorns: list[str] = []

    async def issue_more(n: int) -> None:
        made = [source_event(len(ivorns) + number) for number in range(n)]
        ivorns.extend(await asyncio.to_thread(site.issue, made))

    async with robot() as there:
        settings = there.settings(tmp_path)
        await asyncio.to_thread(lambda: site.start_and_wait("distribute", **settings))
        for kill in range(n_kills):
            n_before = len(there.server.requests)
            await issue_more(n_events // n_kills)
            await until(lambda n=n_before + kill: len(there.server.requests) > n + 3)
            await asyncio.to_thread(site.services[-1].kill)
            await asyncio.to_thread(lambda: site.start_and_wait("distribute", **settings))
        await there.shut()
        await issue_more(60)
        await asyncio.to_thread(
            lambda: wait_until(
                lambda: site.services[-1].has_logged("delivery_failed"), what="failure"
            )
        )
        await there.open()
        await until(lambda: set(there.server.ivorns) == set(ivorns), timeout_s=90)
        (last,) = await asyncio.to_thread(site.issue, [source_event(len(ivorns))])
        await until(lambda: there.server.ivorns[-1] == last)
        heard = there.server.ivorns
    once = [one for place, one in enumerate(heard) if place == 0 or heard[place - 1] != one]
    assert once == [*ivorns, last]
    # The one in flight at each kill, and the one in flight when the server went, may come again.
    assert len(heard) - len(once) <= n_kills + 1
