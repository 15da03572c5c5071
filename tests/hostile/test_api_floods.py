"""Requests to the API that are long, without a token, or too many."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI

from api.app import create_app, create_context
from api.errors import ProblemError
from api.handlers.context import ApiContext
from api.steps import alert_stream
from api.steps.alert_filter import AlertFilter
from api.steps.stream_limiter import StreamLimiter
from tests.support.api_service import settings_for

TOKEN = "a token of the test"  # noqa: S105  (of a test)
CHUNK = b"x" * 65_000


class Request:
    """A request whose body is as long as the application likes to read."""

    def __init__(
        self, method: str, path: str, *, headers: dict[str, str] | None = None,
        chunks: int = 0, host: str = "192.0.2.1",
    ) -> None:  # fmt: skip
        sent = {name.lower().encode(): value.encode() for name, value in (headers or {}).items()}
        self.scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
            "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": list(sent.items()), "client": (host, 1), "server": ("api", 80),
        }  # fmt: skip
        self.n_chunks, self.n_read = chunks, 0
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.is_gone = asyncio.Event()
        self.has_data = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        if self.n_read < max(1, self.n_chunks):
            self.n_read += 1
            is_more = self.n_read < self.n_chunks
            body = CHUNK if self.n_chunks else b""
            return {"type": "http.request", "body": body, "more_body": is_more}
        await self.is_gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = dict(message["headers"])
        else:
            self.body += message.get("body", b"")
            self.has_data.set()

    async def answered_by(self, app: FastAPI) -> "Request":
        async with asyncio.timeout(60):
            await app(self.scope, self.receive, self.send)
        return self


class Alerts:
    """A database with one image and some alerts, none of which is read."""

    def __init__(self, newest_id: int) -> None:
        self.newest_id = newest_id

    async def fetch(self, query: str, **_: object) -> list[dict[str, Any]]:
        if query == "get_last_image_age":
            return [{"last_image_age_s": 3.5}]
        return [{"id": self.newest_id}] if query == "get_last_alert_id" else []

    async def listen(self, *_: object) -> None:
        await asyncio.Event().wait()


def context(**api: Any) -> ApiContext:
    return create_context(settings_for("postgresql://127.0.0.1:9/none", **api))


def app(**api: Any) -> FastAPI:
    made = context(**api)
    made.alert_stream._database = Alerts(42)  # type: ignore[assignment]
    return create_app(made)


@pytest.mark.parametrize("token", [None, "Bearer wrong", "Basic eDp5"])
@pytest.mark.parametrize("setting", [TOKEN, None])
async def test_without_the_token_no_body_is_read(token: str | None, setting: str | None) -> None:
    headers = {"Content-Type": "application/json"} | ({"Authorization": token} if token else {})
    request = Request("POST", "/api/v1/monitors", headers=headers, chunks=3000)
    await request.answered_by(app(write_token=setting))
    assert (request.status, request.n_read) == (401, 0)


@pytest.mark.parametrize("length", [None, "200000000", "99999999999999999999999", "x"])
async def test_a_long_body_is_refused_before_it_is_read(length: str | None) -> None:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
    headers |= {"Content-Length": length} if length else {}
    request = Request("POST", "/api/v1/monitors", headers=headers, chunks=3000)
    await request.answered_by(app(write_token=TOKEN))
    assert request.status == 413
    assert request.n_read <= 2
    assert json.loads(request.body)["title"] == "Content too large"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/api/v1/alerts", "/api/v1/nothing", "/healthz", "/"])
async def test_no_path_reads_a_long_body(method: str, path: str) -> None:
    request = await Request(method, path, chunks=3000).answered_by(app(write_token=TOKEN))
    assert request.n_read <= 2


def admit_all_that_fit(limiter: StreamLimiter, host: str, places: list[Any]) -> int:
    n_admitted = 0
    while True:
        place = limiter.admit(host)
        try:
            place.__enter__()
        except ProblemError:
            return n_admitted
        places.append(place)
        n_admitted += 1


def test_one_address_has_its_share_of_the_streams_and_gets_it_back() -> None:
    limiter, places = StreamLimiter(total=40, per_host=4), []
    counts = [admit_all_that_fit(limiter, f"192.0.2.{number}", places) for number in range(10)]
    # A quarter of what is left as it gets crowded: there is a place for another one.
    assert counts == [4, 4, 4, 4, 4, 4, 3, 2, 2, 2]
    for place in places:
        place.__exit__(None, None, None)
    assert admit_all_that_fit(limiter, "192.0.2.9", []) == 4


async def test_too_many_streams_are_refused_and_a_closed_one_makes_room() -> None:
    served = app(max_alert_streams_per_host=3)

    def open_stream(host: str) -> tuple[Request, "asyncio.Task[Request]"]:
        request = Request("GET", "/api/v1/alerts/stream", host=host)
        return request, asyncio.create_task(request.answered_by(served))

    streams = [open_stream("192.0.2.1") for _ in range(3)]
    for request, _ in streams:
        await asyncio.wait_for(request.has_data.wait(), 60)
    refused = await Request("GET", "/api/v1/alerts/stream").answered_by(served)
    assert (refused.status, refused.headers[b"retry-after"]) == (503, b"2")
    streams.append(open_stream("192.0.2.2"))
    await asyncio.wait_for(streams[-1][0].has_data.wait(), 60)
    streams[0][0].is_gone.set()
    await streams[0][1]
    streams.append(open_stream("192.0.2.1"))
    await asyncio.wait_for(streams[-1][0].has_data.wait(), 60)
    for request, _ in streams:
        request.is_gone.set()
    await asyncio.gather(*[task for _, task in streams])
    assert [request.status for request, _ in streams] == [200] * 5


@pytest.fixture
async def running(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[alert_stream.AlertStream]:
    monkeypatch.setattr(alert_stream, "_HEARTBEAT_S", 0.01)
    stream = alert_stream.AlertStream(Alerts(42))  # type: ignore[arg-type]
    task = asyncio.create_task(stream.run())
    yield stream
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def parse(event: bytes) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in event.decode().splitlines() if line)


async def test_an_id_beyond_the_newest_gets_a_reset_and_the_stream_goes_on(
    running: alert_stream.AlertStream,
) -> None:
    events = await running.subscribe(AlertFilter(), after_id=10**17)
    greeting, reset = (await anext(events)).split(b"\n\n")[:2]
    assert parse(greeting)["id"] == "42"
    fields = parse(reset)
    assert (fields["id"], fields["event"]) == ("42", "reset")
    body = json.loads(fields["data"])
    assert (body["status"], body["newest_id"], body["last_event_id"]) == (409, 42, 10**17)


async def test_a_heartbeat_says_where_the_log_is(running: alert_stream.AlertStream) -> None:
    events = await running.subscribe(AlertFilter())
    await anext(events)
    async with asyncio.timeout(60):
        beats = [parse(await anext(events)) for _ in range(3)]
    for fields in beats:
        assert "id" not in fields  # no alert has passed
        assert fields["event"] == "heartbeat"
        body = json.loads(fields["data"])
        assert (body["last_alert_id"], body["last_image_age_s"]) == (42, 3.5)
        assert body["time"].endswith("Z")
