"""The same question of a list is answered once a moment."""

import asyncio
from typing import Any

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from api.app.shared_answers import SharedAnswers

PATH = "/api/v1/transients"


class App:
    """Counts its requests; waits for `may_answer`."""

    def __init__(self, *, status: int = 200, n_bytes: int = 3) -> None:
        self.n_asked = 0
        self.status = status
        self.n_bytes = n_bytes
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def __call__(self, _: Scope, _receive: Receive, send: Send) -> None:
        self.n_asked += 1
        number = self.n_asked
        await self.may_answer.wait()
        headers = [(b"x-number", b"%d" % number)]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"x" * self.n_bytes})


def client_of(app: App, max_age_s: float = 1e9) -> httpx.AsyncClient:
    shared = SharedAnswers(app, paths=[PATH], max_age_s=max_age_s)
    return httpx.AsyncClient(transport=httpx.ASGITransport(shared), base_url="http://api")


async def test_one_answer_is_for_all_who_ask_the_same() -> None:
    app = App()
    app.may_answer.clear()
    async with client_of(app) as client:
        asked = [asyncio.create_task(client.get(f"{PATH}?limit=5")) for _ in range(20)]
        async with asyncio.timeout(60):
            while not app.n_asked:  # noqa: ASYNC110  (it is polled)
                await asyncio.sleep(0)
        app.may_answer.set()
        answers = await asyncio.gather(*asked)
        assert app.n_asked == 1
        assert {(each.headers["x-number"], each.content) for each in answers} == {("1", b"xxx")}
        assert (await client.get(f"{PATH}?limit=5")).headers["x-number"] == "1"
        assert (await client.get(f"{PATH}?limit=6")).headers["x-number"] == "2"


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({}, {"headers": {"Authorization": "Bearer x"}}),
        ({}, {"headers": {"If-None-Match": "x"}}),
        ({}, {"method": "POST"}),
        ({}, {"url": "/api/v1/audit"}),
        ({"status": 503}, {}),
        ({"n_bytes": 300_000}, {}),
    ],
)
async def test_what_is_for_one_is_not_shared(
    changes: dict[str, Any], asked: dict[str, Any]
) -> None:
    app = App(**changes)
    async with client_of(app) as client:
        for number in (1, 2):
            answer = await client.request(**{"method": "GET", "url": PATH, **asked})
            assert answer.headers["x-number"] == str(number)
            assert len(answer.content) == app.n_bytes


async def test_an_old_answer_and_one_of_no_age_are_not_given_again() -> None:
    for max_age_s in (0.0, 1e-9):
        app = App()
        async with client_of(app, max_age_s) as client:
            await client.get(PATH)
            assert (await client.get(PATH)).headers["x-number"] == "2"


async def test_who_waits_for_one_who_hangs_up_is_answered() -> None:
    app = App()
    app.may_answer.clear()
    async with client_of(app) as client:
        first = asyncio.create_task(client.get(PATH))
        async with asyncio.timeout(60):
            while not app.n_asked:  # noqa: ASYNC110  (it is polled)
                await asyncio.sleep(0)
        second = asyncio.create_task(client.get(PATH))
        await asyncio.sleep(0)
        first.cancel()
        app.may_answer.set()
        answer = await second
        assert answer.status_code == 200
        assert answer.headers["x-number"] == "2"


async def test_a_slow_reader_keeps_nobody_waiting() -> None:
    app = App()
    shared = SharedAnswers(app, paths=[PATH], max_age_s=1e9)
    scope = {"type": "http", "method": "GET", "path": PATH, "query_string": b"", "headers": []}

    async def receive() -> Message:
        return {"type": "http.request"}

    sent: list[Message] = []

    async def take_headers(message: Message) -> None:
        if message["type"] != "http.response.start":
            await asyncio.Event().wait()

    async def take(message: Message) -> None:
        sent.append(message)

    slow = asyncio.create_task(shared(scope, receive, take_headers))
    async with asyncio.timeout(60):
        await shared(scope, receive, take)
    assert [each["type"] for each in sent] == ["http.response.start", "http.response.body"]
    slow.cancel()


async def test_a_write_ends_what_was_shared() -> None:
    app = App()
    async with client_of(app) as client:
        await client.get(PATH)
        await client.put("/api/v1/sources/1/tags")
        assert (await client.get(PATH)).headers["x-number"] == "3"


async def test_the_oldest_of_many_answers_are_forgotten() -> None:
    app = App()
    async with client_of(app) as client:
        for number in range(100):
            await client.get(f"{PATH}?limit={number}")
        assert (await client.get(f"{PATH}?limit=99")).headers["x-number"] == "100"
        assert (await client.get(f"{PATH}?limit=0")).headers["x-number"] == "101"
