"""Long light curves as CSV and VOTable: streamed, in little memory, while others are served."""

import asyncio
import csv
import io
import tracemalloc
from collections.abc import Awaitable, Callable

import httpx
import pytest
from astropy.io.votable import parse_single_table
from fastapi import FastAPI
from starlette.types import Message

from api.handlers import table_response
from api.storage import database, pools
from tests.integration.api.test_outage import Proxy, proxy_to
from tests.support.api_rows import Rows, rows_of
from tests.support.api_service import app_of, client_of

MANY = 100_000
OnPiece = Callable[[bytes], Awaitable[None]]


class Export:
    """One request for a table, without a server between; counts the pieces of its answer."""

    def __init__(self, app: FastAPI, source: int, table_format: str) -> None:
        self._app = app
        self._scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "method": "GET",
            "http_version": "1.1", "scheme": "http", "server": ("api", 80),
            "client": ("127.0.0.1", 1),
            "root_path": "", "headers": [], "path": f"/api/v1/sources/{source}/lightcurve",
            "raw_path": b"", "query_string": f"format={table_format}".encode(),
        }  # fmt: skip
        self.status = 0
        self.n_pieces = 0
        self.n_bytes = 0
        self.is_complete = False
        self.is_disconnected = asyncio.Event()

    async def run(self, on_piece: OnPiece | None = None) -> None:
        async def receive() -> Message:
            await self.is_disconnected.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                return
            self.n_pieces += 1
            self.n_bytes += len(message["body"])
            self.is_complete = not message.get("more_body", False)
            if on_piece is not None:
                await on_piece(message["body"])

        await self._app(self._scope, receive, send)


async def long_source(rows: Rows, n_points: int) -> int:
    image = await rows.image(0)
    source = await rows.source(10.0, 10.0, image=image, n_datapoints=n_points)
    await rows.many_points(source, image, n_points)
    return source


@pytest.mark.parametrize("table_format", ["csv", "votable"])
async def test_other_requests_are_answered_during_an_export(
    postgres_url: str, table_format: str
) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        source = await long_source(rows, MANY)
        n_answers = 0
        answers_at_piece: list[int] = []

        async def note(_: bytes) -> None:
            answers_at_piece.append(n_answers)

        export = Export(app_of(client), source, table_format)
        task = asyncio.create_task(export.run(note))
        while not task.done():
            assert (await client.get("/healthz")).is_success
            n_answers += 1
            await asyncio.sleep(0)  # a request within the process need not wait for anything
        await task
        assert (export.status, export.is_complete) == (200, True)
        # Between most of the hundred pieces somebody else was answered.
        assert len(set(answers_at_piece)) > 50


async def test_memory_does_not_grow_with_the_light_curve(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        app = app_of(client)
        source = await long_source(rows, 30 * database._CHUNK_ROWS)
        few = await long_source(rows, 10)
        await Export(app, few, "votable").run()
        tracemalloc.start()
        try:
            export = Export(app, source, "votable")
            await export.run()
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert export.is_complete
        assert export.n_bytes > 9e6
        assert peak_bytes < export.n_bytes / 2


async def test_every_point_is_in_every_format(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        n_points = 2 * database._CHUNK_ROWS + 1
        source = await long_source(rows, n_points)
        address = f"/api/v1/sources/{source}/lightcurve"
        points = (await client.get(address)).json()["points"]
        text = (await client.get(address, params={"format": "csv"})).text
        votable = (await client.get(address, params={"format": "votable"})).content
        array = parse_single_table(io.BytesIO(votable)).array
        assert len(points) == len(array) == n_points
        fluxes = [point["flux_int_jy"] for point in points]
        assert [float(row["flux_int_jy"]) for row in csv.DictReader(io.StringIO(text))] == fluxes
        assert array["flux_int_jy"].tolist() == fluxes
        assert array["time_start"].tolist() == [
            point["time_start"].replace("+00:00", "Z") for point in points
        ]


@pytest.mark.parametrize(
    ("max_per_host", "words"),
    [(2, "your address asks more than 2"), (9, "too many expensive questions")],
)
async def test_exports_leave_connections_to_others(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, max_per_host: int, words: str
) -> None:
    monkeypatch.setattr(pools, "_EXPENSIVE_WAIT_S", 0.05)
    monkeypatch.setattr(database, "_EXPENSIVE_WAIT_S", 0.05)
    async with (
        rows_of(postgres_url) as rows,
        client_of(postgres_url, max_expensive_per_host=max_per_host) as client,
    ):
        # The first two may take their time to connect.
        monkeypatch.setattr(pools, "_EXPENSIVE_WAIT_S", 60.0)
        source = await long_source(rows, 5 * database._CHUNK_ROWS)
        app = app_of(client)
        may_go_on = asyncio.Event()
        has_begun = [asyncio.Event(), asyncio.Event()]

        async def run(export: Export, begun: asyncio.Event) -> None:
            async def block(_: bytes) -> None:
                begun.set()
                await may_go_on.wait()

            await export.run(block)

        exports = [Export(app, source, "csv") for _ in has_begun]
        tasks = [asyncio.create_task(run(*each)) for each in zip(exports, has_begun, strict=True)]
        for event in has_begun:
            await event.wait()
        assert [export.status for export in exports] == [200, 200]
        monkeypatch.setattr(pools, "_EXPENSIVE_WAIT_S", 0.05)
        refused = await client.get(
            f"/api/v1/sources/{source}/lightcurve", params={"format": "csv"}
        )
        assert refused.status_code == 503
        assert words in refused.json()["detail"]
        assert (await client.get(f"/api/v1/sources/{source}")).is_success
        monkeypatch.setattr(pools, "_EXPENSIVE_WAIT_S", 60.0)
        may_go_on.set()
        await asyncio.gather(*tasks)
        assert all(export.is_complete for export in exports)
        await assert_another_export_works(client, source)


async def assert_another_export_works(client: httpx.AsyncClient, source: int) -> None:
    answers = [
        await client.get(f"/api/v1/sources/{source}/lightcurve", params={"format": "csv"})
        for _ in range(3)
    ]
    assert [answer.status_code for answer in answers] == [200] * 3


async def test_a_client_that_reads_nothing_is_dropped(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_response, "_TIMEOUT_S", 0.1)
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        source = await long_source(rows, 3 * database._CHUNK_ROWS)
        export = Export(app_of(client), source, "csv")
        await export.run(lambda _: asyncio.Event().wait())  # type: ignore[arg-type,return-value]
        assert (export.n_pieces, export.is_complete) == (1, False)
        monkeypatch.undo()
        await assert_another_export_works(client, source)


async def test_a_client_that_hangs_up_frees_its_connection(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        source = await long_source(rows, 3 * database._CHUNK_ROWS)
        export = Export(app_of(client), source, "csv")

        async def hang_up(_: bytes) -> None:
            export.is_disconnected.set()
            await asyncio.Event().wait()

        await export.run(hang_up)
        assert (export.n_pieces, export.is_complete) == (1, False)
        await assert_another_export_works(client, source)


async def test_a_database_failure_ends_the_transfer(postgres_url: str) -> None:
    async with proxy_to(postgres_url) as proxy, rows_of(postgres_url) as rows:
        source = await long_source(rows, 50 * database._CHUNK_ROWS)
        async with client_of(proxy.url) as client:
            export = Export(app_of(client), source, "csv")
            await export.run(lambda _: close_once(proxy, export))
            assert export.status == 200
            assert not export.is_complete
            late = Export(app_of(client), source, "csv")
            await late.run()
            assert late.status == 503


async def close_once(proxy: Proxy, export: Export) -> None:
    if export.n_pieces == 1:
        await proxy.close()
