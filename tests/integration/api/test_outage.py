"""PostgreSQL comes late, goes, and comes back; the API stays."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest

from api.app import create_app
from api.handlers.sources import _boxes
from api.live import AlertFilter, AlertStream
from api.models import Cone
from api.storage import Database
from runtime.sql import load_query
from tests.integration.api.test_rows import Rows, rows_of, settings_for
from tests.integration.api.test_stream import parse, take


class Door:
    """A way to the database that can be shut."""

    def __init__(self, postgres_url: str) -> None:
        self._target = urlsplit(postgres_url)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0

    @property
    def url(self) -> str:
        user, _ = self._target.netloc.rsplit("@", 1)
        return self._target._replace(netloc=f"{user}@127.0.0.1:{self.port}").geturl()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(
            self._target.hostname, self._target.port
        )
        self._open |= {writer, far_writer}
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        self._open -= {writer, far_writer}


@asynccontextmanager
async def door_to(postgres_url: str) -> AsyncIterator[Door]:
    door = Door(postgres_url)
    await door.open()
    try:
        yield door
    finally:
        await door.shut()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def client_through(door: Door) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings_for(door.url))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            yield client


async def until_ready(client: httpx.AsyncClient, status: int) -> None:
    async with asyncio.timeout(10):
        while (await client.get("/readyz")).status_code != status:  # noqa: ASYNC110  (it is polled)
            await asyncio.sleep(0.05)


async def test_the_api_waits_for_the_database_and_outlives_it(postgres_url: str) -> None:
    async with door_to(postgres_url) as door, rows_of(postgres_url) as rows:
        await door.shut()
        await outlive(door, rows)


async def outlive(door: Door, rows: Rows) -> None:
    async with client_through(door) as client:
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/")).status_code == 200
        for _ in range(2):
            await door.open()
            await until_ready(client, 200)
            answer = await client.get("/api/v1/transients", params={"stream": rows.stream})
            assert answer.json() == {"items": [], "next": None}
            await door.shut()
            answer = await client.get("/api/v1/transients")
            assert answer.status_code == 503
            assert answer.json()["status"] == 503


async def test_an_open_stream_goes_on_when_the_database_is_back(postgres_url: str) -> None:
    async with (
        door_to(postgres_url) as door,
        rows_of(postgres_url) as rows,
        client_through(door) as client,
    ):
        await until_ready(client, 200)
        live: AlertStream = client._transport.app.state.alert_stream  # type: ignore[attr-defined]
        wanted = AlertFilter(stream=rows.stream)
        lines = _lines(await live.subscribe(await rows.alert(), wanted))
        stream = parse(lines)
        first = await rows.alert()
        assert [item["id"] for item in await take(stream, 1)] == [first]
        await door.shut()
        missed = [await rows.alert() for _ in range(3)]
        await asyncio.sleep(0.2)
        await door.open()
        assert [item["id"] for item in await take(stream, 3)] == missed


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    async for chunk in chunks:
        for line in chunk.decode().split("\n")[:-1]:
            yield line


async def test_its_sessions_cannot_write(postgres_url: str) -> None:
    database = Database(settings_for(postgres_url).postgres)
    await database.connect_when_there()
    try:
        async with database._connection() as connection:
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                await connection.execute("insert into stream (name) values ('never')")
            assert await connection.fetchval("show statement_timeout") == "10s"
    finally:
        await database.aclose()


async def test_a_cone_is_found_through_the_index(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows:
        image = await rows.image(0)
        many = rows.connection.transaction()  # never committed: the database is shared
        await many.start()
        await rows.connection.execute(
            """
            insert into source (
                stream_id, zone, search_ra, search_dec, ra, dec, weight_ra, weight_dec,
                n_datapoints, eta, v, first_image_key, first_source_number, first_time_start,
                last_time_start
            )
            select $1, floor(dec / 0.5), ra, dec, ra, dec, 1, 1, 1, 0, 0, $2, n, now(), now()
            from (
                select n, 360.0 * n / 20000 as ra, 170.0 * ((n * 0.618) % 1.0) - 85.0 as dec
                from generate_series(1, 20000) as n
            ) as place
            """,
            rows.stream_id,
            image,
        )
        await rows.connection.execute("analyze source")
        plan = await rows.connection.fetch(
            "explain " + load_query("api", "list_sources_in_cone"),
            *_boxes(Cone(10.0, 20.0, 0.5)), rows.stream, *[None] * 3, "id", None, None, 50,
        )  # fmt: skip
        await many.rollback()
        text = "\n".join(row[0] for row in plan)
        assert "source_stream_id_zone_search_ra_search_dec_idx" in text, text
