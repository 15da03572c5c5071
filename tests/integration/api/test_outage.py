"""PostgreSQL is unavailable at the start or later; the API goes on."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
from astropy.io.votable import parse as parse_votable

from api.app import create_app, create_context
from api.metrics import ALERT_POLL_FAILURES
from api.models.base import Cone
from api.steps.alert_filter import AlertFilter
from api.steps.alert_stream import AlertStream
from api.steps.catalogue import search_boxes
from api.steps.tables.votable_format import VoTableFormat
from api.storage.database import Database
from livetrap.stack.ports import choose_port
from runtime.sql import load_statement
from tests.integration.api.test_stream import parse, take
from tests.support.api_rows import Rows, rows_of
from tests.support.api_service import settings_for


class Proxy:
    """A TCP proxy to the database that can be closed and opened again."""

    def __init__(self, postgres_url: str) -> None:
        self._target = urlsplit(postgres_url)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = choose_port(None, taken=set())  # nobody takes it while it is closed

    @property
    def url(self) -> str:
        user, _ = self._target.netloc.rsplit("@", 1)
        return self._target._replace(netloc=f"{user}@127.0.0.1:{self.port}").geturl()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self.port)

    async def close(self) -> None:
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
async def proxy_to(postgres_url: str) -> AsyncIterator[Proxy]:
    proxy = Proxy(postgres_url)
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def client_through(proxy: Proxy) -> AsyncIterator[tuple[httpx.AsyncClient, AlertStream]]:
    context = create_context(settings_for(proxy.url))
    app = create_app(context)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            yield client, context.alert_stream


async def until_ready(client: httpx.AsyncClient, status: int) -> None:
    async with asyncio.timeout(60):
        while (await client.get("/readyz")).status_code != status:  # noqa: ASYNC110  (it is polled)
            await asyncio.sleep(0.05)


async def test_the_api_waits_for_the_database_and_survives_its_loss(postgres_url: str) -> None:
    async with proxy_to(postgres_url) as proxy, rows_of(postgres_url) as rows:
        await proxy.close()
        await survive_outages(proxy, rows)


async def survive_outages(proxy: Proxy, rows: Rows) -> None:
    async with client_through(proxy) as (client, _):
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/")).status_code == 200
        for _ in range(2):
            await proxy.open()
            await until_ready(client, 200)
            answer = await client.get("/api/v1/transients", params={"stream": rows.stream})
            assert answer.json() == {"items": [], "next": None}
            await proxy.close()
            answer = await client.get("/api/v1/transients")
            assert answer.status_code == 503
            assert answer.json()["status"] == 503


@pytest.mark.parametrize(
    "path",
    ["/vo/scs?RA=1&DEC=1&SR=1", "/vo/scs/transients?RA=1&DEC=1&SR=1", "/vo/sia?POS=CIRCLE 1 1 1",
     "/vo/tap/sync?LANG=ADQL&QUERY=select top 1 id from livetrap.source", "/vo/tap/async",
     "/vo/tap/async/none", f"/vo/datalink?ID={'0' * 64}"],
)  # fmt: skip
async def test_clients_of_the_virtual_observatory_read_the_error_from_a_votable(
    postgres_url: str, path: str
) -> None:
    async with proxy_to(postgres_url) as proxy:
        await proxy.close()
        async with client_through(proxy) as (client, _):
            answer = await client.get(path)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert answer.headers["content-type"] == VoTableFormat.media_type
    info = parse_votable(io.BytesIO(answer.content)).resources[0].infos[0]
    assert (info.name, info.value) == ("QUERY_STATUS", "ERROR")
    assert "PostgreSQL" in info.content


@pytest.mark.parametrize("path", ["/vo/availability", "/vo/tap/availability"])
async def test_a_service_without_its_database_says_that_it_is_not_available(
    postgres_url: str, path: str
) -> None:
    async with proxy_to(postgres_url) as proxy:
        await proxy.close()
        async with client_through(proxy) as (client, _):
            answer = await client.get(path)
    assert answer.status_code == 200
    assert "<vosi:available>false</vosi:available><vosi:note>PostgreSQL" in answer.text


async def test_an_open_stream_resumes_when_the_database_is_back(postgres_url: str) -> None:
    async with (
        proxy_to(postgres_url) as proxy,
        rows_of(postgres_url) as rows,
        client_through(proxy) as (client, alert_stream),
    ):
        await until_ready(client, 200)
        wanted = AlertFilter(stream=rows.stream)
        lines = _lines(await alert_stream.subscribe(wanted, after_id=await rows.alert()))
        stream = parse(lines)
        first = await rows.alert()
        assert [item["id"] for item in await take(stream, 1)] == [first]
        n_failures = ALERT_POLL_FAILURES._value.get()
        await proxy.close()
        missed = [await rows.alert() for _ in range(3)]
        async with asyncio.timeout(60):
            while ALERT_POLL_FAILURES._value.get() == n_failures:  # noqa: ASYNC110  (it is polled)
                await asyncio.sleep(0.02)
        await proxy.open()
        assert [item["id"] for item in await take(stream, 3)] == missed


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    async for chunk in chunks:
        for line in chunk.decode().split("\n")[:-1]:
            yield line


async def test_sessions_are_read_only(postgres_url: str) -> None:
    settings = settings_for(postgres_url)
    database = Database(settings.postgres, settings.api)
    await database.connect()
    try:
        async with database.lend() as connection:
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                await connection.execute("insert into stream (name) values ('never')")
            assert await connection.fetchval("show statement_timeout") == "10s"
    finally:
        await database.aclose()


async def test_a_cone_search_uses_the_index(postgres_url: str) -> None:
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
        statement = load_statement("api", "list_sources_in_cone")
        parameters = search_boxes(Cone(10.0, 20.0, 0.5)) | {"stream": rows.stream}
        plan = await rows.connection.fetch(
            f"explain {statement.text}", *statement.to_arguments(parameters, missing_is_null=True)
        )
        await many.rollback()
        text = "\n".join(row[0] for row in plan)
        assert "source_stream_id_zone_search_ra_search_dec_idx" in text, text
