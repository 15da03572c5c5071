"""The alert stream of a real server: no alert lost or repeated, and its end."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from tests.support.api_rows import rows_of
from tests.support.api_service import server
from tests.support.forked import start_module


@asynccontextmanager
async def events(
    address: str, *, last_event_id: int | None = None, **filters: Any
) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """Open the stream, wait until it is there, and give its alerts."""
    headers = {} if last_event_id is None else {"Last-Event-ID": str(last_event_id)}
    async with (
        httpx.AsyncClient(timeout=60) as client,
        client.stream(
            "GET", f"{address}/api/v1/alerts/stream", headers=headers, params=filters
        ) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.aiter_lines()
        assert (await anext(lines)).startswith("retry:")
        yield parse(lines)


async def parse(lines: AsyncIterator[str]) -> AsyncIterator[dict[str, Any]]:
    fields: dict[str, str] = {}
    async for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.strip()
            continue
        if "data" in fields and fields["event"] != "heartbeat":
            assert fields["event"] == "alert"
            item = json.loads(fields["data"])
            assert str(item["id"]) == fields["id"]
            yield item
        fields = {}


async def take(stream: AsyncIterator[dict[str, Any]], n: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(60):
        return [await anext(stream) for _ in range(n)]


async def test_new_alerts_that_pass_the_filters_are_sent(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, server(postgres_url) as (address, _):
        await rows.alert()
        async with (
            events(address, stream=rows.stream) as all_,
            events(address, stream=rows.stream, min_snr=50, kind="new_source") as strong,
        ):
            weak = await rows.alert(snr=9.0)
            (item,) = await take(all_, 1)
            assert item["id"] == weak
            assert item["notice"]["id"]
            loud = await rows.alert(snr=90.0)
            assert [each["id"] for each in await take(strong, 1)] == [loud]


async def test_a_notice_has_the_bytes_that_were_sent(postgres_url: str) -> None:
    # An order of keys, a repeated key and a spelling of numbers that no encoder would choose.
    notice = '{"z":1.50,"a":1E-23,"ra":123.4,"ra":123.40,"ab": [ ]}'
    async with rows_of(postgres_url) as rows, server(postgres_url) as (address, _):
        before = await rows.alert()
        number = await rows.alert(notice=notice)
        async with httpx.AsyncClient(timeout=60) as client:
            answer = await client.get(f"{address}/api/v1/alerts/{number}")
            assert answer.text == notice
            url, headers = f"{address}/api/v1/alerts/stream", {"Last-Event-ID": str(before)}
            async with client.stream("GET", url, headers=headers) as stream:
                lines = (line async for line in stream.aiter_lines() if line.startswith("data:"))
                assert (await anext(lines)).endswith(f'"notice":{notice}}}')


async def test_a_client_that_reconnects_misses_and_repeats_no_alert(
    postgres_url: str,
) -> None:
    async with rows_of(postgres_url) as rows, server(postgres_url) as (address, _):
        stop = asyncio.Event()
        written: list[int] = []

        async def write() -> None:
            while not stop.is_set():
                written.append(await rows.alert())
                await asyncio.sleep(0.005)

        before = await rows.alert()
        writer = asyncio.create_task(write())
        received: list[int] = []
        last = before
        for n in (3, 40, 1, 25):
            async with events(address, last_event_id=last, stream=rows.stream) as stream:
                received += [item["id"] for item in await take(stream, n)]
            last = received[-1]
        stop.set()
        await writer
        async with events(address, last_event_id=last, stream=rows.stream) as stream:
            received += [item["id"] for item in await take(stream, len(written) - len(received))]
        assert received == written


async def test_a_client_far_behind_gets_every_alert(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows:
        first = await rows.alert()
        later = [await rows.alert() for _ in range(450)]
        async with (
            server(postgres_url) as (address, _),
            events(address, last_event_id=first, stream=rows.stream) as stream,
        ):
            assert [item["id"] for item in await take(stream, 450)] == later


async def test_the_stream_continues_when_its_sessions_are_terminated(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, server(postgres_url) as (address, _):
        async with events(address, stream=rows.stream) as stream:
            for number in range(4):
                await terminate_sessions(rows.connection)
                # Sessions end at different moments of the API's next query.
                await asyncio.sleep(0.005 * number)
                expected = await rows.alert()
                assert [item["id"] for item in await take(stream, 1)] == [expected]
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{address}/readyz")).is_success


async def terminate_sessions(connection: asyncpg.Connection) -> None:
    """Terminate every session of the API, as a restart of PostgreSQL would."""
    await connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where application_name like 'livetrap-api%' and datname = current_database()"
    )


def test_a_port_in_use_exits_with_the_name_of_the_setting(
    postgres_url: str, tmp_path: Path
) -> None:
    log = tmp_path / "api.log"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = {"LIVETRAP_API__PORT": str(taken.getsockname()[1])}
        process = start_module("api", environment=os.environ | settings, log=log, service="api")
        assert process.wait(60) == 2
    assert "LIVETRAP_API__PORT" in log.read_text()


async def test_sigterm_ends_the_streams_and_the_process(postgres_url: str) -> None:
    async with (
        rows_of(postgres_url) as rows,
        server(postgres_url) as (address, process),
        events(address, stream=rows.stream) as stream,
    ):
        process.send_signal(signal.SIGTERM)
        assert [item async for item in stream] == []
        assert await asyncio.to_thread(process.wait, 60) == 0
